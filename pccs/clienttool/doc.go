// SPDX-License-Identifier: Apache-2.0

// Package clienttool reads and writes the JSON files by which collateral crosses
// an air gap: the list of platforms that a PCCS gives out (platform_list.json,
// the answer to GET platforms), and the collateral that Intel's PcsClientTool
// fetches for such a list (platform_collaterals.json, the body of PUT
// platformcollateral), of API versions 4 and 3.
//
// Nothing is verified here: see [Statement.Forms] for what a signature covers.
// What a file says twice, leaves out, or gives in a form in which no PCCS takes
// it is an error with line and column; what nobody knows is passed over and
// listed ([Collateral.Ignored]).
package clienttool

import (
	"bytes"
	"encoding/json"

	"github.com/attesteer/attesteer/rats"
)

// Bounds on one file.
const (
	// MaxSize bounds a file. The certificates of one platform take some 50 KiB,
	// the manifest of a large one 110 KiB.
	MaxSize = 128 << 20
	// maxPlatforms bounds a list of platforms, maxCerts the PCK certificates of
	// one, maxTCBInfos the FMSPCs of a file.
	maxPlatforms = 100_000
	maxCerts     = 512
	maxTCBInfos  = 4096
	// maxQEID bounds a QE id: 260 characters stand for a platform id of 130 bytes.
	maxQEID = 260
)

// Form is what a JSON file is.
type Form string

// The forms of files that are read here.
const (
	// PlatformList is platform_list.json.
	PlatformList Form = "platform list"
	// CollateralFile is platform_collaterals.json.
	CollateralFile Form = "collateral"
)

// Recognise returns the form of a file by its beginning and the names in it; ok
// is false for what is neither. It does not say that the file is well-formed.
func Recognise(data []byte) (form Form, ok bool) {
	text := bytes.TrimLeft(withoutMark(data), " \t\r\n")
	switch {
	case len(text) == 0:
		return "", false
	case text[0] == '{' && bytes.Contains(text, []byte(`"collaterals"`)):
		return CollateralFile, true
	case text[0] == '[' && (bytes.Contains(text, []byte(`"qe_id"`)) || bytes.Equal(bytes.TrimSpace(text), []byte("[]"))):
		return PlatformList, true
	default:
		return "", false
	}
}

// Statement is a statement that Intel signed, with its signature, as it stands
// in a file.
type Statement []byte

// Forms returns the ways in which the statement may have been signed, the
// likeliest first: as it stands; and without the white space that programs add
// which parse a statement and write it again, as PcsClientTool does with TCB
// info. Whoever verifies it keeps the form that does.
func (s Statement) Forms() [][]byte {
	forms := [][]byte{s}
	var compact bytes.Buffer
	if err := json.Compact(&compact, s); err == nil && !bytes.Equal(compact.Bytes(), s) {
		forms = append(forms, compact.Bytes())
	}
	return forms
}

// withoutMark drops the byte order mark that some editors put first.
func withoutMark(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\ufeff")) }

// tooLarge is the error for a file or a list over its bound.
func tooLarge(format string, args ...any) error { return rats.Errorf(rats.TooLarge, format, args...) }
