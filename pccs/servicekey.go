// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// Values of the parameter platform of the list of FMSPCs (PCS API v4, Get FMSPCs).
func fmspcPlatforms() []string { return []string{"all", "client", "e3", "e5"} }

// normalKey returns a key as it is kept, so that one thing has one key: lists
// have no TEE and are the same in all versions of the API. The error is a
// Refusal with status 400.
func normalKey(k store.Key) (store.Key, error) {
	if k.Version == 0 {
		k.Version = 4
	}
	if k.Version != 3 && k.Version != 4 {
		return k, badKey("there is no version %d of the API", k.Version)
	}
	if k.Kind != store.CRL {
		k.Scope = strings.ToLower(k.Scope)
	}
	update, err := normalUpdate(k)
	if err != nil {
		return k, err
	}
	k.Update = update
	switch k.Kind {
	case store.TCBInfo:
		if b, err := hex.DecodeString(k.Scope); err != nil || len(b) != 6 {
			return k, badKey("an FMSPC is 12 hex digits")
		}
	case store.QEIdentity, store.EvaluationNumbers:
		k.Scope = ""
	case store.QVEIdentity, store.QAEIdentity:
		k.TEE, k.Scope = rats.SGX, ""
	case store.PCKCRL:
		if k.Scope != store.ProcessorCA && k.Scope != store.PlatformCA {
			return k, badKey("a CA of PCK certificates is processor or platform")
		}
		k.TEE, k.Version = "", 4
	case store.RootCRL:
		k.TEE, k.Version, k.Scope = "", 4, ""
	case store.CRL:
		if _, err := crlKey(k.Scope); err != nil {
			return k, err
		}
		k.TEE, k.Version = "", 4
	case store.FMSPCs:
		if k.Scope == "" {
			k.Scope = "all"
		}
		if !slices.Contains(fmspcPlatforms(), k.Scope) {
			return k, badKey("%q is no kind of platform", legible(k.Scope))
		}
		k.TEE = rats.SGX
	default:
		return k, badKey("there is nothing of kind %q", k.Kind)
	}
	if k.TEE == "" && k.Version == 3 {
		k.TEE = rats.SGX
	}
	if needsTEE(k.Kind) && (k.TEE != rats.SGX && k.TEE != rats.TDX || k.TEE == rats.TDX && k.Version == 3) {
		return k, badKey("%s for %q in version %d of the API", k.Kind, k.TEE, k.Version)
	}
	return k, nil
}

func needsTEE(kind store.Kind) bool {
	return kind != store.PCKCRL && kind != store.RootCRL && kind != store.CRL
}

// normalUpdate returns the update of a key: empty for kinds that have none.
func normalUpdate(k store.Key) (string, error) {
	if !evaluated(k.Kind) {
		return "", nil
	}
	switch update := strings.ToLower(k.Update); update {
	case "":
		return UpdateStandard, nil
	case UpdateStandard, UpdateEarly:
		return update, nil
	}
	n, err := strconv.ParseUint(k.Update, 10, 31)
	if err != nil {
		return "", badKey("an update is standard, early or a number")
	}
	return strconv.FormatUint(n, 10), nil
}

// evaluated reports whether there is one of a kind for each TCB evaluation.
func evaluated(kind store.Kind) bool {
	switch kind {
	case store.TCBInfo, store.QEIdentity, store.QVEIdentity, store.QAEIdentity:
		return true
	default:
		return false
	}
}

func badKey(format string, args ...any) *Refusal {
	return refuse(http.StatusBadRequest, rats.Malformed, format, args...)
}

// ParseFMSPCs reads the FMSPCs of a refresh, in each of the ways in which tools
// write them: none, one, several with commas, and such a list in brackets. They
// come back in upper case. The error is a Refusal with status 400.
func ParseFMSPCs(text string) ([]string, error) {
	text = strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(text, "["); ok {
		if text, ok = strings.CutSuffix(inner, "]"); !ok {
			return nil, badKey("a list of FMSPCs that begins with [ ends with ]")
		}
	}
	if text = strings.TrimSpace(text); text == "" || strings.EqualFold(text, "all") {
		return nil, nil
	}
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		part = strings.ToUpper(strings.TrimSpace(part))
		if b, err := hex.DecodeString(part); err != nil || len(b) != 6 {
			return nil, badKey("an FMSPC is 12 hex digits")
		}
		if !slices.Contains(out, part) {
			out = append(out, part)
		}
	}
	return out, nil
}
