// SPDX-License-Identifier: Apache-2.0

package pccs_test

import (
	"bytes"
	"crypto/x509"
	"encoding/csv"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/qcnltest"
	"github.com/attesteer/attesteer/rats"
)

// folder returns where real evidence and endorsements are.
func folder(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ATTESTEER_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	if _, err := os.Stat(filepath.Join(dir, "dcap", "cases.tsv")); err != nil {
		t.Skip("no vectors: set ATTESTEER_VECTORS")
	}
	return filepath.Join(dir, "dcap")
}

func read(t testing.TB, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// real is a case of a real quote, with what vouches for it at a time.
type real struct {
	quote  []byte
	items  []rats.Endorsement
	at     time.Time
	status string
}

// cases returns those of the folder of real evidence whose column judge is empty
// or ours, one of each quote.
func cases(t testing.TB) map[string]real {
	t.Helper()
	dir := folder(t)
	lines := csv.NewReader(bytes.NewReader(read(t, dir, "cases.tsv")))
	lines.Comma, lines.LazyQuotes = '\t', true
	rows, err := lines.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := make(map[string]int)
	for i, name := range rows[0] {
		column[name] = i
	}
	out := make(map[string]real)
	for _, row := range rows[1:] {
		get := func(name string) string { return row[column[name]] }
		at, err := time.Parse(time.RFC3339, get("time"))
		if err != nil {
			t.Fatal(err)
		}
		c := real{quote: read(t, dir, get("quote")), at: at, status: get("tcb_status")}
		var whole []rats.Endorsement
		for name, kind := range map[string]rats.EndorsementKind{
			"tcb_info": rats.TCBInfo, "qe_identity": rats.QEIdentity, "root_crl": rats.RootCACRL, "pck_crl": rats.PCKCRL,
		} {
			if e, ok := issued(t, dir, kind, read(t, dir, get(name))); ok {
				whole = append(whole, e)
			}
		}
		// Version 3 of TCB info is what version 4 of the service has.
		if len(whole) == 4 && strings.Contains(get("tcb_info"), "_v3_") {
			c.items = whole
			out[get("quote")] = c
		}
	}
	return out
}

// issued finds the certificate that vouches for a statement.
func issued(t testing.TB, dir string, kind rats.EndorsementKind, body []byte) (rats.Endorsement, bool) {
	t.Helper()
	pattern := map[rats.EndorsementKind]string{rats.TCBInfo: "tcb_*.pem", rats.QEIdentity: "tcb_*.pem", rats.PCKCRL: "pck_*.pem", rats.RootCACRL: ""}[kind]
	if pattern == "" {
		return rats.Endorsement{Kind: kind, Body: body}, true
	}
	files, err := filepath.Glob(filepath.Join(dir, "collateral", "chain", pattern))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		block, _ := pem.Decode(read(t, file))
		e := rats.Endorsement{Kind: kind, Body: body, Issuers: [][]byte{block.Bytes}}
		if _, err := attesteer.CheckEndorsement(e, nil); err == nil {
			return e, true
		}
	}
	return rats.Endorsement{}, false
}

// intelsRoot is the certificate at the end of Intel's chains.
func intelsRoot(t testing.TB) []byte {
	t.Helper()
	block, _ := pem.Decode(read(t, folder(t), "collateral", "chain", "root_20180521_20491231_44a019.pem"))
	return block.Bytes
}

// platformOf returns what a quote's own chain says of its platform.
func platformOf(t testing.TB, raw []byte) (chain [][]byte, ext *dcap.PCKExtension, ca string) {
	t.Helper()
	begin := bytes.Index(raw, []byte("-----BEGIN CERTIFICATE-----"))
	if begin < 0 {
		return nil, nil, ""
	}
	chain = ders(t, raw[begin:])
	cert, err := x509.ParseCertificate(chain[0])
	if err != nil {
		t.Fatal(err)
	}
	if ext, err = dcap.ReadPCKExtension(cert); err != nil {
		return nil, nil, "" // the quote has another order
	}
	ca = "platform"
	if strings.Contains(cert.Issuer.CommonName, "Processor") {
		ca = "processor"
	}
	return chain, ext, ca
}

// TestWhatQCNLGetsVerifiesRealQuotes: by either version of the client's API the
// verdict is that of the collateral itself, and every byte is the one that Intel
// signed.
func TestWhatQCNLGetsVerifiesRealQuotes(t *testing.T) {
	t.Parallel()
	n := 0
	for name, c := range cases(t) {
		chain, ext, ca := platformOf(t, c.quote)
		if chain == nil {
			continue
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			s := open(t, c.at, intelsRoot(t), c.items)
			s.upstream.certs = pckCerts(chain[0], chain[1], intelsRoot(t))
			policy := attesteer.Policy{AllowDebug: true, AcceptTCB: []rats.TCBStatus{rats.TCBStatus(c.status)}}
			whole, err := attesteer.ParseEndorsements(c.items...)
			if err != nil {
				t.Fatal(err)
			}
			want, wantErr := attesteer.Verify(attesteer.Evidence{Raw: c.quote}, whole, policy, c.at)
			if wantErr == nil {
				n++
			}
			for _, version := range []string{"3.0", "3.1"} {
				client := s.client(qcnltest.Conf{APIVersion: version})
				got, err := client.Collateral(t.Context(), strings.Contains(name, "tdx"), ext.FMSPC, ca)
				if err != nil {
					t.Fatalf("version %s: %v", version, err)
				}
				result, err := attesteer.Verify(attesteer.Evidence{Raw: c.quote}, endorsements(t, got, version == "3.0"), policy, c.at)
				if rats.KindOf(err) != rats.KindOf(wantErr) || result.Tier != want.Tier {
					t.Errorf("version %s: %v, want %v", version, err, wantErr)
				}
				for _, e := range c.items {
					if body := map[rats.EndorsementKind][]byte{rats.TCBInfo: got.TCBInfo, rats.QEIdentity: got.QEIdentity}[e.Kind]; body != nil && !bytes.Equal(body, e.Body) {
						t.Errorf("version %s: %s is not what was signed", version, e.Kind)
					}
				}
			}
			if strings.Contains(name, "tdx") {
				return // certificates are chosen by the TCB info of SGX, which a TD does not need
			}
			config, err := s.client(qcnltest.Conf{}).PCKCert(t.Context(), named(ext))
			if err != nil {
				t.Fatal(err)
			}
			if all := ders(t, config.Chain[:len(config.Chain)-1]); len(all) != 3 || !bytes.Equal(all[0], chain[0]) || config.CPUSVN != ext.CPUSVN {
				t.Errorf("another certificate: %d of them", len(all))
			}
		})
	}
	if n < 3 {
		t.Fatalf("only %d quotes were accepted", n)
	}
}

// TestRealCollateralIsServedStaleAndMarked: what Intel signed last year is served
// this year, where nobody has later, and its readers can see that it is.
func TestRealCollateralIsServedStaleAndMarked(t *testing.T) {
	t.Parallel()
	for name, c := range cases(t) {
		chain, ext, _ := platformOf(t, c.quote)
		if chain == nil || strings.Contains(name, "tdx") {
			continue
		}
		path := api + "tcb?fmspc=" + strings.ToUpper(hex.EncodeToString(ext.FMSPC[:]))
		late := c.at.Add(365 * 24 * time.Hour)
		s := open(t, late, intelsRoot(t), c.items)
		if r := s.want(s.get(path), http.StatusOK); r.header.Get(pccs.HeaderStale) == "" {
			t.Errorf("%v", r.header)
		}
		refuses := open(t, late, intelsRoot(t), c.items, func(c *pccs.Config, _ *pccs.ServerConfig) { c.Stale = pccs.RefuseStale })
		if r := refuses.get(path); r.status == http.StatusOK {
			t.Errorf("status %d %v", r.status, r.header)
		}
		return
	}
	t.Fatal("no case")
}
