// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/attesteer/attesteer/openenclave"
	"github.com/attesteer/attesteer/rats"
)

// maxNesting bounds how deep statements may lie in other JSON. The deepest
// known holder of collateral, an export of Intel's own tools, has four levels.
const maxNesting = 8

// parts is what a file was found to hold, before anything is verified.
type parts struct {
	// statements are in the API's form, their signing certificates not yet known.
	statements []statement
	crls       []*x509.RevocationList
	// certificates are of every kind; what does not serve is left alone.
	certificates []*x509.Certificate
	// faults say what began as something known and then broke.
	faults []*rats.Error
}

type statement struct {
	form statementForm
	// body is in the API's form.
	body []byte
}

// foreign reports whether nothing known was found, whole or broken.
func (p *parts) foreign() bool {
	return len(p.statements)+len(p.crls)+len(p.certificates)+len(p.faults) == 0
}

func (p *parts) fault(kind rats.Kind, format string, args ...any) {
	p.faults = append(p.faults, rats.Errorf(kind, format, args...))
}

// recognise takes apart the content of one file.
func recognise(data []byte) *parts {
	p := &parts{}
	for len(data) > 0 && data[0] == '#' { // comments before it
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	if openenclave.IsEndorsements(data) {
		p.takeOpenEnclave(data)
		return p
	}
	if looksLikeDER(data) {
		p.takeDER(data) // as it is: DER may well end in a byte that looks like white space
		return p
	}
	p.takeText(trimmed(data), 0)
	return p
}

// takeOpenEnclave takes Open Enclave's endorsements apart.
func (p *parts) takeOpenEnclave(data []byte) {
	in, err := openenclave.ParseEndorsements(data)
	if err != nil {
		p.faults = append(p.faults, rats.AsError(err))
		return
	}
	for _, part := range in.Parts() {
		if looksLikeDER(part) {
			p.takeDER(part)
		} else {
			p.takeText(trimmed(part), 0)
		}
	}
}

// trimmed drops what programs leave around a text: a byte order mark, white
// space, and the NUL at the end of a chain.
func trimmed(text []byte) []byte { return bytes.Trim(text, "\ufeff\x00 \t\r\n") }

// looksLikeDER reports whether data begins as a sequence of 128 bytes or more
// (X.690 section 8.1.3.5); no certificate or CRL is shorter, and no text has
// such a second byte.
func looksLikeDER(data []byte) bool {
	return len(data) > 2 && data[0] == 0x30 && data[1]&0x80 != 0
}

// takeText recognises the text of a file, or a string inside JSON.
func (p *parts) takeText(text []byte, depth int) {
	switch {
	case len(text) == 0 || !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0:
	case text[0] == '{' || text[0] == '[':
		p.takeJSON(text, depth)
	case looksLikePEM(text):
		p.takePEM(text)
	default:
		p.takeHex(text)
	}
}

// takeDER takes one certificate or CRL.
func (p *parts) takeDER(der []byte) {
	crl, err := x509.ParseRevocationList(der)
	if err == nil {
		p.crls = append(p.crls, crl)
		return
	}
	cert, err := x509.ParseCertificate(der)
	if err == nil {
		p.certificates = append(p.certificates, cert)
		return
	}
	p.fault(rats.Malformed, "neither a certificate nor a revocation list: %w", err)
}

func (p *parts) takePEM(text []byte) {
	plain, err := unescapePEM(text)
	if err != nil {
		p.faults = append(p.faults, rats.AsError(err))
		return
	}
	blocks, err := pemBlocks(plain)
	if err != nil {
		p.faults = append(p.faults, rats.AsError(err))
	}
	for _, b := range blocks {
		p.takeDER(b.der)
	}
}

// takeHex takes a CRL or certificate in ASCII hex, the form in which a PCCS
// answers. Text that is not hex of DER is nothing known.
func (p *parts) takeHex(text []byte) {
	data, err := hex.DecodeString(strings.TrimPrefix(withoutBlanks(string(text)), "0x"))
	switch {
	case err != nil:
	case looksLikeDER(data):
		p.takeDER(data)
	case openenclave.IsEndorsements(data):
		p.takeOpenEnclave(data)
	}
}

// takeJSON looks through an array or object for statements, chains and CRLs.
func (p *parts) takeJSON(text []byte, depth int) {
	if depth > maxNesting {
		return
	}
	if text[0] == '[' {
		var values []json.RawMessage
		if err := json.Unmarshal(text, &values); err != nil {
			p.brokenJSON(text, err)
			return
		}
		for _, value := range values {
			p.takeValue(value, depth+1)
		}
		return
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		p.brokenJSON(text, err)
		return
	}
	p.takeObject(text, object, depth)
}

func (p *parts) takeObject(text []byte, object map[string]json.RawMessage, depth int) {
	for _, form := range statementForms() {
		inner, signature := object[form.inner], object[form.signature]
		if inner == nil || signature == nil {
			continue
		}
		body, err := form.body(inner, signature)
		if depth == 0 && len(object) == 2 && form.inner == form.name {
			body, err = bytes.Clone(text), nil // the API's answer, byte for byte
		}
		if err != nil {
			p.fault(rats.Malformed, "%s: %w", form.inner, err)
		} else {
			p.statements = append(p.statements, statement{form, body})
		}
		delete(object, form.inner)
		delete(object, form.signature)
	}
	if object["signature"] != nil {
		p.fault(rats.Unsupported, "signed JSON of a form that is not known here")
		delete(object, "signature")
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		p.takeValue(object[key], depth+1)
	}
}

// brokenJSON notes JSON that does not parse, if it seems to be about
// endorsements at all.
func (p *parts) brokenJSON(text []byte, err error) {
	for _, form := range statementForms() {
		if bytes.Contains(text, []byte(`"`+form.inner+`"`)) {
			p.fault(rats.Malformed, "JSON: %w", err)
			return
		}
	}
}

// takeValue takes a value inside JSON: an object or array, or a string that
// itself holds something. Everything else is of no interest.
func (p *parts) takeValue(value json.RawMessage, depth int) {
	switch value[0] {
	case '{', '[':
		p.takeJSON(value, depth)
	case '"':
		var text string
		if json.Unmarshal(value, &text) == nil {
			p.takeText(trimmed([]byte(text)), depth)
		}
	}
}
