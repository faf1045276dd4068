// SPDX-License-Identifier: Apache-2.0

package epid_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/rats"
)

func TestABodyIsReadStrictly(t *testing.T) {
	const absent = "\x00"
	for _, tt := range []struct {
		name   string
		member string
		value  any
		want   rats.Kind
	}{
		{"as it is", "id", "12345", rats.None},
		{"a member that nobody knows", "somethingNew", map[string]int{"a": 1}, rats.None},
		{"version 3", "version", 3, rats.None},
		{"version 5", "version", 5, rats.None},
		{"no version", "version", absent, rats.None},
		{"version 2 by name", "version", 2, rats.Unsupported},
		{"version 6", "version", 6, rats.Unsupported},
		{"a version as text", "version", "4", rats.Malformed},
		{"a version as a fraction", "version", 4.5, rats.Malformed},
		{"a negative version", "version", -4, rats.Malformed},
		{"version null", "version", nil, rats.Malformed},
		{"no id", "id", absent, rats.Malformed},
		{"an empty id", "id", "", rats.Malformed},
		{"an id as a number", "id", 12, rats.Malformed},
		{"an id that is not decimal", "id", "12a", rats.Malformed},
		{"no status", "isvEnclaveQuoteStatus", absent, rats.Malformed},
		{"an unknown status", "isvEnclaveQuoteStatus", "FINE", rats.Malformed},
		{"a status in another case", "isvEnclaveQuoteStatus", "ok", rats.Malformed},
		{"no quote", "isvEnclaveQuoteBody", absent, rats.Malformed},
		{"a quote with its signature", "isvEnclaveQuoteBody", base64.StdEncoding.EncodeToString(make([]byte, 436)), rats.Malformed},
		{"a quote that is not base64", "isvEnclaveQuoteBody", "%", rats.Malformed},
		{"a quote of version 0", "isvEnclaveQuoteBody", base64.StdEncoding.EncodeToString(make([]byte, 432)), rats.Malformed},
		{"no timestamp", "timestamp", absent, rats.Malformed},
		{"a timestamp without a fraction", "timestamp", "2024-05-06T07:08:09", rats.None},
		{"a timestamp to the nanosecond", "timestamp", "2024-05-06T07:08:09.123456789", rats.None},
		{"a timestamp of ten places", "timestamp", "2024-05-06T07:08:09.1234567890", rats.Malformed},
		{"a timestamp with a dot and nothing", "timestamp", "2024-05-06T07:08:09.", rats.Malformed},
		{"a timestamp with a comma", "timestamp", "2024-05-06T07:08:09,1", rats.Malformed},
		{"a timestamp with a zone", "timestamp", "2024-05-06T07:08:09Z", rats.Malformed},
		{"a timestamp with an offset", "timestamp", "2024-05-06T07:08:09+01:00", rats.Malformed},
		{"a timestamp with a space", "timestamp", "2024-05-06 07:08:09", rats.Malformed},
		{"a day that there is not", "timestamp", "2024-02-30T07:08:09", rats.Malformed},
		{"an hour of one digit", "timestamp", "2024-05-06T7:08:09.1", rats.Malformed},
		{"advisories", "advisoryIDs", []string{"INTEL-SA-2", "INTEL-SA-1", "INTEL-SA-2"}, rats.None},
		{"an empty advisory", "advisoryIDs", []string{""}, rats.Malformed},
		{"an advisory that is null", "advisoryIDs", []any{nil}, rats.Malformed},
		{"advisories as text", "advisoryIDs", "INTEL-SA-1", rats.Malformed},
		{"a nonce", "nonce", "0123456789abcdef0123456789abcdef", rats.None},
		{"a nonce that is too long", "nonce", "0123456789abcdef0123456789abcdef0", rats.Malformed},
		{"a pseudonym cut short", "epidPseudonym", base64.StdEncoding.EncodeToString(make([]byte, 127)), rats.Malformed},
		{"platform info that is not hex", "platformInfoBlob", "xy", rats.Malformed},
		{"platform info of another type", "platformInfoBlob", "16" + strings.Repeat("0", 208), rats.Malformed},
		{"platform info cut short", "platformInfoBlob", "15020065", rats.Malformed},
		{"a reason for revocation", "revocationReason", 1, rats.None},
		{"a reason as text", "revocationReason", "1", rats.Malformed},
		{"a status of platform services", "pseManifestStatus", "OK", rats.None},
		{"a manifest hash", "pseManifestHash", strings.Repeat("aB", 32), rats.None},
		{"a manifest hash cut short", "pseManifestHash", "ab", rats.Malformed},
		{"an evaluation number", "tcbEvaluationDataNumber", 17, rats.None},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			if l.members[tt.member] = tt.value; tt.value == absent {
				delete(l.members, tt.member)
			}
			r, err := epid.ParseReport(l.body())
			if got := rats.KindOf(err); got != tt.want {
				t.Fatalf("%v", err)
			}
			if tt.member == "advisoryIDs" && err == nil && !slices.Equal(r.Advisories, []string{"INTEL-SA-1", "INTEL-SA-2"}) {
				t.Errorf("advisories %v", r.Advisories)
			}
		})
	}
}

func TestWhatReadersCouldTakeTwoWaysIsMalformed(t *testing.T) {
	body := string(newLab(t).body())
	for name, text := range map[string]string{
		"a member twice":                strings.Replace(body, "{", `{"id":"1",`, 1),
		"a member twice, once escaped":  strings.Replace(body, "{", `{"\u0069d":"1",`, 1),
		"something after it":            body + "{}",
		"a list":                        "[" + body + "]",
		"bytes that are not UTF-8":      strings.Replace(body, "12345", "1\xff", 1),
		"a name that is not text":       strings.Replace(body, `"id"`, `id`, 1),
		"nothing":                       "",
		"an object that does not end":   body[:len(body)-1],
		"a comma too many":              body[:len(body)-1] + ",}",
		"more bytes than there can be":  strings.Repeat(" ", 128<<10) + body,
		"members that are not strings":  `{"report":{},"signature":""}`,
		"a member that is none of ours": `{"report":"","signature":"","isvEnclaveQuoteBody2":""}`,
	} {
		if _, err := epid.ParseReport([]byte(text)); !errors.Is(err, rats.Malformed) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := epid.Parse([]byte(text)); !errors.Is(err, rats.Malformed) {
			t.Errorf("%s, as evidence: %v", name, err)
		}
	}
}

func TestAnEnvelopeIsReadStrictly(t *testing.T) {
	l := newLab(t)
	full := map[string]any{}
	if err := json.Unmarshal(l.envelope(), &full); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, member string
		value        any
		want         rats.Kind
	}{
		{"a certificate that is null is Intel's own", "certificate", nil, rats.None},
		{"the certificate of the answer's header", "certificate", percent(full["certificate"].(string)), rats.None},
		{"a certificate that is not PEM", "certificate", "MII", rats.Malformed},
		{"a key in place of a certificate", "certificate", strings.ReplaceAll(full["certificate"].(string), "CERTIFICATE", "PRIVATE KEY"), rats.Malformed},
		{"words before the certificate", "certificate", "see: " + full["certificate"].(string), rats.Malformed},
		{"text around the certificate", "certificate", "subject=CN = a\nissuer=CN = b\n" + full["certificate"].(string) + "that was it\n", rats.None},
		{"a key behind the certificate", "certificate", full["certificate"].(string) + "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n", rats.Malformed},
		{"a broken certificate first", "certificate", strings.Replace(full["certificate"].(string), "\nMII", "\n***", 1) + full["certificate"].(string), rats.Malformed},
		{"lines that end as Windows ends them", "certificate", strings.ReplaceAll(full["certificate"].(string), "\n", "\r\n"), rats.None},
		{"the certificate in DER and base64", "certificate", base64.StdEncoding.EncodeToString(l.certificate()), rats.None},
		{"the certificate in DER and base64url", "certificate", base64.RawURLEncoding.EncodeToString(l.certificate()), rats.None},
		{"an empty certificate is Intel's own", "certificate", "", rats.None},
		{"more certificates than there can be", "certificate", strings.Repeat(full["certificate"].(string), 5), rats.Malformed},
		{"a URL encoding cut short", "certificate", "%2", rats.Malformed},
		{"a URL encoding that is none", "certificate", "%zz", rats.Malformed},
		{"a signature in lines", "signature", strings.Join(strings.SplitAfterN(full["signature"].(string), "A", 3), "\r\n"), rats.None},
		{"a signature in base64url", "signature", base64.URLEncoding.EncodeToString(l.sign(l.body())), rats.None},
		{"a signature without padding", "signature", base64.RawStdEncoding.EncodeToString(l.sign(l.body())), rats.None},
		{"a signature that is URL-encoded", "signature", percent(full["signature"].(string)), rats.None},
		{"a signature that is not base64", "signature", "!", rats.Malformed},
		{"an empty signature", "signature", "", rats.Malformed},
		{"a report that is an object", "report", map[string]any{}, rats.Malformed},
		{"another member", "comment", "hello", rats.Malformed},
	} {
		m := map[string]any{}
		for k, v := range full {
			m[k] = v
		}
		m[tt.member] = tt.value
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := epid.Parse(b); rats.KindOf(err) != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
