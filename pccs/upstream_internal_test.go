// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"bytes"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"
)

func FuzzWhatUpstreamsSayIsReadOrRefused(f *testing.F) {
	block := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("abc")}))
	f.Add([]byte(block))
	f.Add([]byte(strings.ReplaceAll(block+block, "\n", "%0A")))
	f.Add([]byte(strings.TrimSpace(block) + block))
	f.Add([]byte(`[{"tcb":{"pcesvn":1},"tcbm":"00","cert":"Not available"}]`))
	f.Add([]byte{0x30, 0x82, 0, 0})
	f.Add([]byte("3082"))
	f.Add([]byte("-----BEGIN X509 CRL-----\nMIIA\n-----END X509 CRL-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if chain, err := chainPEM(string(data)); err == nil {
			again, err := chainPEM(string(chain))
			if err != nil || !bytes.Equal(again, chain) {
				t.Errorf("a chain that was read is another one when it is read again: %q, %v", chain, err)
			}
		}
		if der, ok := crlDER(data); ok && (len(der) == 0 || der[0] != 0x30) {
			t.Errorf("a list that is no DER: %x", der)
		}
		if entries, err := readEntries(data); err == nil && len(entries) == 0 {
			t.Error("neither certificates nor an error")
		}
	})
}

func TestListsAreReadInEveryFormInWhichServicesSendThem(t *testing.T) {
	der := []byte{0x30, 0x82, 0x01, 0x00, 0x01}
	for name, form := range map[string][]byte{
		"DER": der, "PEM": pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}),
		"hex": []byte(hex.EncodeToString(der)), "hex with a line's end": []byte(strings.ToUpper(hex.EncodeToString(der)) + "\r\n"),
	} {
		if got, ok := crlDER(form); !ok || !bytes.Equal(got, der) {
			t.Errorf("%s: %x", name, got)
		}
	}
	for name, form := range map[string][]byte{
		"nothing": nil, "a page": []byte("<html>"), "a certificate": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		"hex of something else": []byte("010203"),
	} {
		if got, ok := crlDER(form); ok {
			t.Errorf("%s is read as %x", name, got)
		}
	}
}

func TestWhatOthersSayIsLegible(t *testing.T) {
	got := legible("a\x00b\nc\x7fd\xff\x1b[31m" + strings.Repeat("x", 500))
	if got[:12] != "a?b?c?d??[31" || len(got) > maxReason {
		t.Errorf("%q", got)
	}
}
