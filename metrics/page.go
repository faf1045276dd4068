// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"fmt"
	"strings"
)

// Page returns the table of metrics in Markdown, as docs/operations/metrics.md
// has it, with the values that each label may have.
func Page() string {
	var b strings.Builder
	b.WriteString("| metric | type | labels | |\n|---|---|---|---|\n")
	for _, d := range Table() {
		labels := ""
		if len(d.Labels) > 0 {
			labels = "`" + strings.Join(d.Labels, "` `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.Name, d.Type, labels, d.Help)
	}
	b.WriteString("\n| label | values |\n|---|---|\n")
	for _, v := range values() {
		fmt.Fprintf(&b, "| %s | %s |\n", v.label, v.words)
	}
	return b.String()
}

// value is what a label may be.
type value struct{ label, words string }

func values() []value {
	list := func(words ...string) string { return "`" + strings.Join(words, "` `") + "`" }
	return []value{
		{"`route`", "the path's pattern, as in `/openapi.json`; `/ json-rpc`, `/ websocket`; `none` where nothing is served"},
		{"`method` of a request", list(Methods()...)},
		{"`method` of a JSON-RPC call", "those that `rpc_methods` names, and `rpc_methods`"},
		{"`status`", "`1xx` to `5xx`; `none` for a caller that went away"},
		{"`outcome` of a call", "`ok`, or a kind of error as the API names it"},
		{"`outcome` of a submission", list(Submissions()...)},
		{"`outcome` of a fetch", list(Fetches()...)},
		{"`call`", list(Calls()...)},
		{"`tee`", list(tees()...) + "; empty for endorsements of no one TEE"},
		{"`tier`", list(tiers()...)},
		{"`kind` of a verdict", "`none` for accepted, or a kind of error"},
		{"`kind` of a stream", list(Streams()...)},
		{"`kind` of an endorsement", "as `attesteer endorsements list` names it"},
		{"`what`", list(Refusals()...)},
		{"`state` of endorsements", list("current", "stale")},
		{"`state` of tokens", list("active", "expired", "revoked")},
		{"`service`", "the hosts given by `--endorsements`"},
		{"`scope`, `number`", "what an endorsement is about, such as an FMSPC, and its TCB evaluation data number; the scope of PCK certificates is left out"},
		{"`code`", list(Conditions()...)},
		{"`path`", "a PCCS's, as in `sgx/v4/tcb`; `other` for what there is not"},
		{"`from`", list("memory", "store")},
		{"`enclave`", "those that an agent keeps attested, by their names"},
		{"`outcome` of an agent's round", list(Rounds()...)},
		{"`state` of a record", list(States()...)},
		{"`kind`, `update` of an artefact", "as a PCCS keeps it, such as `tcb_info` and `early`"},
	}
}
