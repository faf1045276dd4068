// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// FuzzAnswer reads what a service may say, whatever it is.
func FuzzAnswer(f *testing.F) {
	f.Add(byte(0), []byte(`{"tcbInfo":{},"signature":"00"}`), "-----BEGIN%20CERTIFICATE-----%0AMIIB%0A-----END%20CERTIFICATE-----%0A")
	f.Add(byte(1), []byte("<html>"), "-----BEGIN+CERTIFICATE-----")
	f.Add(byte(2), []byte("3082012030"), "%")
	f.Add(byte(3), []byte("-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----"), "")
	f.Add(byte(4), []byte("\xef\xbb\xbf {}"), "-----BEGIN CERTIFICATE-----%0A")
	f.Add(byte(3), []byte("-----BEGIN X509 CRL----------END X509 CRL-----"), "")
	f.Add(byte(5), []byte(`{"pckCert":"-----BEGIN CERTIFICATE-----","sgx-Pck-Certificate-Issuer-Chain":"%"}`), "")
	kinds := []rats.EndorsementKind{rats.TCBInfo, rats.QEIdentity, rats.PCKCRL, rats.RootCACRL, rats.EvaluationNumbers, rats.PCKCertificate}
	f.Fuzz(func(t *testing.T, kind byte, body []byte, chain string) {
		d := Document{Kind: kinds[int(kind)%len(kinds)], TEE: rats.SGX, CA: PlatformCA, Evaluation: standard}
		a := &answered{header: http.Header{}, body: bytes.Clone(body)}
		for _, name := range chainHeaders(d.Kind) {
			a.header.Set(name, chain)
		}
		e, fault := read(d, a)
		if !bytes.Equal(a.body, body) {
			t.Error("the answer was written to")
		}
		if fault != nil {
			if fault.err == nil || fault.class == 0 {
				t.Errorf("a fault without a reason: %+v", fault)
			}
			return
		}
		if e.Kind != d.Kind || len(e.Body) == 0 {
			t.Errorf("%+v", e)
		}
		if _, err := attesteer.CheckEndorsement(e, nil); rats.KindOf(err) == rats.Internal {
			t.Errorf("internal error: %v", err)
		}
	})
}

func TestIntelsServiceIsAskedByEncryptedPPIDAlone(t *testing.T) {
	where, _, err := placeOf(IntelPCS, "")
	if err != nil {
		t.Fatal(err)
	}
	d := Document{Kind: rats.PCKCertificate, Platform: dcap.PlatformName{QEID: [16]byte{1}, PCESVN: 0x0102}}
	if _, err := where.locate(d); rats.KindOf(err) != rats.Unsupported {
		t.Errorf("without one: %v", err)
	}
	d.Platform.EncryptedPPID = strings.Repeat("\xab", encryptedPPID)
	got, err := where.locate(d)
	want := IntelPCS + "pckcert?encrypted_ppid=" + strings.Repeat("AB", encryptedPPID) +
		"&cpusvn=" + strings.Repeat("0", 32) + "&pcesvn=0201&pceid=0000"
	if err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

// FuzzPrepared reads files as they may lie in a cache, whatever is in them.
func FuzzPrepared(f *testing.F) {
	f.Add([]byte("\x01\x00\x01\x00\x00\x00\xff\xff\xff\x7f\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00[]"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		p := Prepared{}
		if got, _ := p.read(b, dcap.PlatformName{}, time.Unix(0, 0)); len(got) != 0 {
			t.Errorf("%d certificates of Intel's", len(got))
		}
	})
}
