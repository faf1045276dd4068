// SPDX-License-Identifier: Apache-2.0

package endorse_test

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/openenclave"
	"github.com/attesteer/attesteer/rats"
)

// row is a line of the index of real evidence.
type row struct{ file, what, expected string }

// openEnclaveRows returns what the index says of Open Enclave's files.
func openEnclaveRows(t *testing.T, dir string) (rows []row) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "INDEX.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // opened for reading
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes = '\t', true
	all, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range all {
		if strings.HasPrefix(line[0], "oe/") {
			rows = append(rows, row{line[0], line[1], line[5]})
		}
	}
	if len(rows) < 20 {
		t.Fatalf("%d rows", len(rows))
	}
	return rows
}

// pairs names the endorsements that came with evidence.
var pairs = map[string]string{
	"oe/attestation_plugin__evidence":              "oe/attestation_plugin__endorsements",
	"oe/attestation_plugin__evidence.stripped.bin": "oe/attestation_plugin__endorsements.stripped.bin",
	"oe/attestation_plugin__evidence_2022-03.txt":  "oe/attestation_plugin__endorsements_2022-03.txt",
}

// tolerant accepts every platform that is not revoked, and debug builds.
func tolerant() attesteer.Policy {
	return attesteer.Policy{AllowDebug: true, AcceptTCB: []rats.TCBStatus{
		rats.SWHardeningNeeded, rats.ConfigurationNeeded, rats.ConfigurationAndSWHardeningNeeded, rats.OutOfDate,
		rats.OutOfDateConfigurationNeeded, rats.TDRelaunchAdvised, rats.TDRelaunchAdvisedConfigurationNeeded,
	}}
}

// collected returns what endorsements hold, and when they were collected: as
// they say, or else as the TCB info in them was issued.
func collected(t *testing.T, file string) (*attesteer.Endorsements, time.Time) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	folder := endorse.Read(filepath.Base(file), raw, nil)
	for _, r := range folder.Refusals() {
		t.Errorf("%s: %v", r.Name, r.Err)
	}
	en, err := attesteer.ParseEndorsements(folder.All()...)
	if err != nil {
		t.Fatal(err)
	}
	if i := bytes.Index(raw, []byte("\n\x01\x00\x00\x00\x02")); i >= 0 {
		raw = raw[i+1:]
	}
	c, err := openenclave.ParseEndorsements(raw)
	if err != nil {
		t.Fatal(err)
	}
	var latest time.Time
	for _, e := range en.Items() {
		info, err := attesteer.CheckEndorsement(e, nil)
		if err != nil {
			t.Fatal(err)
		}
		if info.ValidFrom.After(latest) {
			latest = info.ValidFrom
		}
	}
	if c.Created == "" {
		return en, latest
	}
	at, err := time.Parse(time.RFC3339, c.Created)
	if err != nil {
		t.Fatal(err)
	}
	return en, at
}

// TestOpenEnclavesFilesComeOutAsIndexed walks the index of real evidence.
func TestOpenEnclavesFilesComeOutAsIndexed(t *testing.T) {
	dir := filepath.Dir(filepath.Dir(collateral(t)))
	for _, row := range openEnclaveRows(t, dir) {
		t.Run(strings.TrimPrefix(row.file, "oe/"), func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(dir, row.file))
			if err != nil {
				t.Fatal(err)
			}
			raw, err := attesteer.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			ev := attesteer.Evidence{Raw: raw}
			switch {
			case strings.Contains(row.file, "tdx_quote"):
				// Its endorsements are not in the collection.
				r, err := attesteer.Verify(ev, nil, tolerant(), time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC))
				if rats.KindOf(err) != rats.EndorsementUnavailable || r.Checks[2].Outcome != rats.Pass || r.Checks[5].Outcome != rats.Pass {
					t.Errorf("%v: %+v", err, r.Checks)
				}
			case strings.Contains(row.expected, "with the paired endorsements"):
				en, at := collected(t, filepath.Join(dir, pairs[row.file]))
				r, err := attesteer.Verify(ev, en, tolerant(), at)
				if err != nil || r.TCB.Status != rats.SWHardeningNeeded || r.Format != rats.OEEvidence || len(r.Endorsements) != 4 {
					t.Fatalf("with its endorsements alone: %v, %+v", err, r)
				}
			case strings.HasSuffix(row.file, ".der"), strings.HasSuffix(row.file, ".cer"):
				// Certificates are for the tests of the package that opens them.
			case strings.HasPrefix(row.expected, "refused"):
				r, err := attesteer.Verify(ev, nil, tolerant(), time.Date(2020, 6, 1, 0, 0, 0, 0, time.UTC))
				if code := rats.KindOf(err).ExitCode(); code != 10 && code != 14 || r == nil && code != 14 {
					t.Errorf("%v", err)
				}
			case strings.HasPrefix(row.expected, "quote-json"):
				r, err := attesteer.Verify(ev, nil, tolerant(), time.Date(2020, 6, 1, 0, 0, 0, 0, time.UTC))
				if rats.KindOf(err) != rats.EndorsementUnavailable || r.Format != rats.QuoteJSON || r.RuntimeData == nil {
					t.Errorf("%v: %+v", err, r)
				}
			case strings.HasPrefix(row.expected, "parses"):
				if in, err := attesteer.Inspect(ev); err != nil || in.CertificationDataType != 1 {
					t.Errorf("%+v, %v", in, err)
				}
				if _, err := attesteer.Verify(ev, nil, tolerant(), time.Date(2020, 6, 1, 0, 0, 0, 0, time.UTC)); rats.KindOf(err) != rats.EndorsementUnavailable {
					t.Errorf("%v", err)
				}
			case row.expected == "companion data":
				if _, err := attesteer.Inspect(ev); rats.KindOf(err) != rats.Malformed {
					t.Errorf("taken for evidence: %v", err)
				}
			default:
				t.Errorf("the index says %q", row.expected)
			}
		})
	}
}

// TestEndorsementsAreTakenAsHexToo, as evidence is.
func TestEndorsementsAreTakenAsHexToo(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(collateral(t))), "oe", "attestation_plugin__endorsements.stripped.bin"))
	if err != nil {
		t.Fatal(err)
	}
	plain := endorse.Read("plain", raw, nil).All()
	written := endorse.Read("hex", []byte(strings.ToUpper(hex.EncodeToString(raw))+"\n"), nil).All()
	if len(plain) < 4 || len(written) != len(plain) {
		t.Errorf("%d endorsements, %d in hex", len(plain), len(written))
	}
}

// TestATDXDumpIsASourceByItself: quotes of the platforms that it is about are
// decided by it alone.
func TestATDXDumpIsASourceByItself(t *testing.T) {
	for dump, quotes := range map[string]string{
		"tdx_endorsement.bin":                 "td10_v4_90C06F000000_*.bin",
		"tdx_quote_v5_endorsement_eval21.bin": "td*_00806F050000_*.bin",
	} {
		en, at := collected(t, filepath.Join(collateral(t), "oe", dump))
		if len(en.Items()) != 4 {
			t.Errorf("%s: %d endorsements", dump, len(en.Items()))
		}
		files, err := filepath.Glob(filepath.Join(collateral(t), "..", "quotes", "tdx", quotes))
		if err != nil || len(files) == 0 {
			t.Fatalf("%d quotes, %v", len(files), err)
		}
		for _, file := range files {
			r, err := attesteer.Verify(attesteer.Evidence{Raw: readFile(t, file)}, en, tolerant(), at)
			if early := rats.KindOf(err) == rats.Expired && strings.Contains(err.Error(), "not yet valid"); !early && err != nil || r.TCB == nil {
				t.Errorf("%s by %s: %v", filepath.Base(file), dump, err)
			}
		}
	}
}

// TestOpenEnclavesEndorsementsThatAreCutAreRefused, and never half believed.
func TestOpenEnclavesEndorsementsThatAreCutAreRefused(t *testing.T) {
	whole := readFile(t, collateral(t), "..", "..", "oe", "attestation_plugin__endorsements.stripped.bin")
	if got := endorse.Read("whole", whole, nil); len(got.All()) != 4 || len(got.Refusals()) != 0 {
		t.Fatalf("%d endorsements, %v", len(got.All()), got.Refusals())
	}
	for _, n := range []int{16, 51, 52, 60, 1000, len(whole) - 1} {
		got := endorse.Read("cut", whole[:n], nil)
		if len(got.All()) != 0 || len(got.Refusals()) != 1 || rats.KindOf(got.Refusals()[0].Err) != rats.Malformed {
			t.Errorf("cut to %d bytes: %d endorsements, %v", n, len(got.All()), got.Refusals())
		}
	}
}
