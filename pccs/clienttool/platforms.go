// SPDX-License-Identifier: Apache-2.0

package clienttool

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"
)

// Platform is one platform at one raw TCB, as PCKIDRetrievalTool reports it.
// Values are in upper-case hex, as a PCCS keeps them.
type Platform struct {
	// QEID names the quoting enclave, or by a platform id the platform: 1 to 260
	// characters. PCEID has 4 digits.
	QEID  string `json:"qe_id"`
	PCEID string `json:"pce_id"`
	// CPUSVN has 32 digits and PCESVN, low byte first, 4. Both are empty where
	// the platform is told by its manifest alone.
	CPUSVN string `json:"cpu_svn"`
	PCESVN string `json:"pce_svn"`
	// EncryptedPPID has 768 digits, or none.
	EncryptedPPID string `json:"enc_ppid"`
	// Manifest is that of a platform of several packages, else empty.
	Manifest string `json:"platform_manifest"`
}

// ParsePlatforms reads a list of platforms. Errors are Malformed, with line and
// column, or TooLarge.
func ParsePlatforms(data []byte) ([]Platform, error) {
	root, err := open(data)
	if err != nil {
		return nil, err
	}
	out := readPlatforms(root)
	if root.err != nil {
		return nil, root.err
	}
	return out, nil
}

// MarshalPlatforms writes a list of platforms as a PCCS gives it out.
func MarshalPlatforms(list []Platform) []byte {
	var out bytes.Buffer
	writePlatforms(&out, list)
	return out.Bytes()
}

func readPlatforms(v value) []Platform {
	var out []Platform
	for _, item := range v.list(maxPlatforms) {
		o := item.object()
		p := Platform{
			QEID: o.qeID(), PCEID: o.hex("pce_id", 4, true),
			CPUSVN: o.hex("cpu_svn", 32, false), PCESVN: o.hex("pce_svn", 4, false),
			EncryptedPPID: o.hex("enc_ppid", 768, false), Manifest: o.manifest(),
		}
		o.take("pckid_filename") // PcsClientTool's own note of a file
		o.rest()
		if v.err != nil {
			return nil
		}
		out = append(out, p)
	}
	return out
}

func writePlatforms(out *bytes.Buffer, list []Platform) {
	out.WriteByte('[')
	for i, p := range list {
		if i > 0 {
			out.WriteByte(',')
		}
		out.Write(plain(p))
	}
	out.WriteByte(']')
}

// plain returns the JSON of what holds nothing but strings and numbers.
func plain(v any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte("null") // cannot happen: strings and numbers encode
	}
	return bytes.TrimRight(out.Bytes(), "\n")
}

// qeID reads the name of a quoting enclave, which no PCCS demands to be hex.
func (o object) qeID() string {
	v, ok := o.need("qe_id")
	if !ok {
		return ""
	}
	id := v.str()
	switch n := len(id); {
	case v.err != nil:
	case n == 0 || n > maxQEID:
		v.fail("has %d characters, not 1 to %d", n, maxQEID)
	case strings.IndexFunc(id, unicode.IsControl) >= 0:
		v.fail("has a control character in it")
	}
	return strings.ToUpper(id)
}

// hex reads so many hex digits; what is not needed may be empty, null or absent.
func (o object) hex(name string, digits int, needed bool) string {
	v, ok := o.take(name)
	if !ok {
		if needed {
			o.fail("has no %s", name)
		}
		return ""
	}
	text := v.str()
	if text == "" && !needed {
		return ""
	}
	if v.err == nil && (len(text) != digits || !isHex(text)) {
		v.fail("want %d hex digits", digits)
	}
	return strings.ToUpper(text)
}

func (o object) manifest() string {
	v, ok := o.take("platform_manifest")
	if !ok {
		return ""
	}
	text := v.str()
	if v.err == nil && (len(text)%2 != 0 || !isHex(text)) {
		v.fail("want hex")
	}
	return strings.ToUpper(text)
}

func isHex(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F')
	}) < 0
}
