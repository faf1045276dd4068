// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"slices"

	"github.com/attesteer/attesteer/rats"
)

// other stands for every value of a label that is not in its list.
const other = "other"

// one returns word if it is in list, and other if not.
func one(word string, list []string) string {
	if slices.Contains(list, word) {
		return word
	}
	return other
}

// Methods are HTTP's that are told apart.
func Methods() []string { return []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} }

// Streams are what stays open.
func Streams() []string { return []string{"websocket", "subscription", "event_stream"} }

// Refusals say whose bound a call went over.
func Refusals() []string { return []string{"address", "token", "registrar", "pool", "stream"} }

// Calls are those that end in a verdict.
func Calls() []string { return []string{"record", "appraise"} }

// Submissions are the outcomes of one.
func Submissions() []string { return []string{"recorded", "refused", "failed"} }

// Fetches are the outcomes of one, as package endorse names them.
func Fetches() []string { return []string{"got", "same", "absent", "refused", "down"} }

// Conditions are the codes of what /readyz names.
func Conditions() []string {
	return []string{
		"stopping", "starting", "catching_up", "ledger_failed", "ledger_behind", "version_unknown",
		"registry_unreadable", "index_behind", "disk_low", "disk_full", "endorsements_stale", "service_down", "certificate_ending",
		"tokens_unreadable",
	}
}

func tees() []string {
	var out []string
	for _, t := range []rats.TEE{rats.SGX, rats.TDX, rats.EPID, rats.SNP, rats.Nitro, rats.Keystone, rats.Sanctum, rats.CCA} {
		out = append(out, string(t))
	}
	return out
}

func tiers() []string {
	return []string{string(rats.TierNone), string(rats.Affirming), string(rats.Warning), string(rats.Contraindicated)}
}

// kindWord is the name of a kind, and none of none.
func kindWord(k rats.Kind) string {
	if k == rats.None {
		return "none"
	}
	if slices.Contains(rats.Kinds(), k) {
		return k.String()
	}
	return other
}

// class is that of a status (RFC 9110 section 15). A request that nobody
// answered, since its caller went away, has none.
func class(status int) string {
	switch {
	case status >= 100 && status < 600:
		return string(rune('0'+status/100)) + "xx"
	default:
		return "none"
	}
}
