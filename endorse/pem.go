// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// The labels of PEM blocks that are looked for (RFC 7468 sections 5 and 6).
const (
	labelCertificate = "CERTIFICATE"
	labelCRL         = "X509 CRL"
)

// block is one PEM block: its label and what its base64 says.
type block struct {
	label string
	der   []byte
}

// looksLikePEM reports whether text has the beginning of a block in it, plain
// or percent-encoded.
func looksLikePEM(text []byte) bool {
	return bytes.Contains(text, []byte("-----BEGIN"))
}

// unescapePEM undoes the percent-encoding of issuer chains as PCS sends them in
// headers. A chain that was never encoded comes back as it is.
//
// JavaScript's encodeURIComponent, which PCS and PCCS use, writes a blank as
// %20; Go's url.QueryEscape writes it as "+". A plus sign is also a digit of
// base64, so which of the two it is must be read off the first marker.
func unescapePEM(text []byte) ([]byte, error) {
	unescape := url.PathUnescape
	switch {
	case bytes.Contains(text, []byte("-----BEGIN%20")):
	case bytes.Contains(text, []byte("-----BEGIN+")):
		unescape = url.QueryUnescape
	default:
		return text, nil
	}
	plain, err := unescape(string(text))
	if err != nil {
		return nil, rats.Errorf(rats.Malformed, "percent-encoding of a certificate chain: %w", err)
	}
	return []byte(plain), nil
}

// pemBlocks returns the certificates and CRLs in text, in order, and leaves out
// blocks of other labels and text around them. With an error come the blocks
// before the broken one.
//
// It is more forgiving than encoding/pem in one point: an END and the next
// BEGIN may share a line, as they do in chains that were put together without a
// line feed, where encoding/pem silently finds every other block.
func pemBlocks(text []byte) ([]block, error) {
	const begin, end, dashes = "-----BEGIN ", "-----END ", "-----"
	var out []block
	rest := string(text)
	for {
		i := strings.Index(rest, begin)
		if i < 0 {
			return out, nil
		}
		rest = rest[i+len(begin):]
		label, body, ok := strings.Cut(rest, dashes)
		if !ok {
			return out, rats.Errorf(rats.Malformed, "PEM block without the end of its first line")
		}
		content, after, ok := strings.Cut(body, end+label+dashes)
		if !ok {
			return out, rats.Errorf(rats.Malformed, "PEM block without an end")
		}
		rest = after
		if label != labelCertificate && label != labelCRL {
			continue
		}
		der, err := base64.StdEncoding.DecodeString(withoutBlanks(content))
		if err != nil {
			return out, rats.Errorf(rats.Malformed, "PEM block: %w", err)
		}
		out = append(out, block{label, der})
	}
}

// withoutBlanks drops ASCII white space, and the NUL that C programs leave at
// the end of a chain.
func withoutBlanks(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\r', '\n', 0:
			return -1
		}
		return r
	}, s)
}
