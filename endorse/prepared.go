// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// Prepared is the folder in which Intel's tools put a platform's PCK
// certificates beforehand, for a client that is to ask nobody (local_cache_only
// of its configuration). It is a [Certifier].
type Prepared struct {
	// Dir holds a file for each platform: its QE id and PCE id in lower-case hex
	// with _ between them, or zeros for every platform.
	Dir string
	// Roots are those under which certificates count; nil stands for the vendors'
	// pinned ones.
	Roots []rats.TrustRoot
}

// PCKCertificates implements [Certifier]. A folder without a file of the
// platform has nothing; the error is Malformed for a file that is none of
// Intel's, and EndorsementExpired for one past its time.
func (p Prepared) PCKCertificates(
	_ context.Context, platform dcap.PlatformName, at time.Time,
) ([]rats.Endorsement, error) {
	root, err := os.OpenRoot(p.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, rats.Errorf(rats.EndorsementUnavailable, "PCK certificates prepared in advance: %w", err)
	}
	defer root.Close() //nolint:errcheck // nothing was written
	own := hex.EncodeToString(platform.QEID[:]) + "_" + hex.EncodeToString(platform.PCEID[:])
	for _, name := range []string{own, strings.Repeat("0", 2*len(platform.QEID)) + "_0000", "0000000000000000_0000"} {
		b, err := root.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			var out []rats.Endorsement
			if out, err = p.read(b, platform, at); err == nil {
				return out, nil
			}
		}
		return nil, rats.Errorf(rats.KindOf(err), "PCK certificates prepared in advance, %s: %w", name, err)
	}
	return nil, nil
}

// read takes a file apart as Intel's client does:
//
//	0  2  version
//	2  4  kind
//	6  8  end of its time, seconds since 1970
//	then four times a length of 4 bytes, and so many bytes: the TCB's components
//	in hex, TCB info, the certificates' chain in percent-encoding, and a list of
//	{cert, tcbm} in JSON, certificates in percent-encoding
//
// Numbers are little-endian.
func (p Prepared) read(b []byte, platform dcap.PlatformName, at time.Time) ([]rats.Endorsement, error) {
	const header = 14
	if len(b) < header || len(b) > maxFile {
		return nil, rats.Errorf(rats.Malformed, "%d bytes are no such file", len(b))
	}
	until := int64(binary.LittleEndian.Uint64(b[6:])) //nolint:gosec // as the format has it; what overflows lies in the past
	if at.Unix() > until {
		return nil, rats.Errorf(rats.EndorsementExpired, "its time ended on %s", time.Unix(until, 0).UTC().Format(time.DateOnly))
	}
	var parts [4][]byte
	rest := b[header:]
	for i := range parts {
		if len(rest) < 4 || int64(len(rest)-4) < int64(binary.LittleEndian.Uint32(rest)) {
			return nil, rats.Errorf(rats.Malformed, "it is cut short")
		}
		n := binary.LittleEndian.Uint32(rest)
		parts[i], rest = rest[4:4+n], rest[4+n:]
	}
	issuers, err := chainOf(parts[2], "its chain")
	if err != nil {
		return nil, err
	}
	var list []struct {
		Cert string `json:"cert"`
	}
	if err := json.Unmarshal(bytes.TrimRight(parts[3], "\x00"), &list); err != nil {
		return nil, rats.Errorf(rats.Malformed, "its list of certificates is no JSON")
	}
	return p.pick(list, issuers, platform), nil
}

// pick returns the certificates of a list that can be a platform's and verify.
func (p Prepared) pick(list []struct {
	Cert string `json:"cert"`
}, issuers [][]byte, platform dcap.PlatformName) []rats.Endorsement {
	var out []rats.Endorsement
	for _, c := range list {
		der, _, err := certificateOf(&answered{body: []byte(c.Cert)})
		if err != nil {
			continue // such as "Not available"
		}
		e := rats.Endorsement{Kind: rats.PCKCertificate, Body: der, Issuers: issuers}
		if _, err := attesteer.CheckEndorsement(e, p.Roots); err == nil && platform.Certifies(e) {
			out = append(out, e)
		}
	}
	return out
}
