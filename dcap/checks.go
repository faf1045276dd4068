// SPDX-License-Identifier: Apache-2.0

package dcap

import "github.com/attesteer/attesteer/rats"

// The checks in the order in which they run and are reported. The kind of a
// result is that of the first that fails: first what the evidence itself
// proves, then what the endorsements say of it.
const (
	checkFormat      = "quote_format"
	checkPadding     = "padding"
	checkSignature   = "quote_signature"
	checkChain       = "pck_chain"
	checkQESignature = "qe_report_signature"
	checkQEBinding   = "qe_report_data"
	checkGenuine     = "endorsement_signatures"
	checkPresent     = "endorsements_present"
	checkCurrent     = "endorsements_current"
	checkRevocation  = "revocation"
	checkValidity    = "certificate_validity"
	checkQEIdentity  = "qe_identity"
	checkModule      = "tdx_module"
)

// OwnChecks is how many checks, from the first on, are of the evidence itself:
// its form, signatures and chain. The others hold it against endorsements.
const OwnChecks = 6

// clauses maps each check to the clause that demands it, in order.
func clauses() [13]rats.Check {
	const qvl = "SGX DCAP QVL "
	return [13]rats.Check{
		{Name: checkFormat, Spec: "SGX ECDSA Quote Library API A.4"},
		{Name: checkPadding, Spec: "SGX ECDSA Quote Library API A.4"},
		{Name: checkSignature, Spec: qvl + "4.1.2.4.16"},
		{Name: checkQEBinding, Spec: qvl + "4.1.2.4.13"},
		{Name: checkChain, Spec: qvl + "4.1.2.1"},
		{Name: checkQESignature, Spec: qvl + "4.1.2.4.12"},
		{Name: checkGenuine, Spec: qvl + "4.1.2.2"},
		{Name: checkPresent, Spec: qvl + "4.1.2.3"},
		{Name: checkCurrent, Spec: "PCS API v4 3.3, 3.6"},
		{Name: checkRevocation, Spec: qvl + "4.1.2.1.6"},
		{Name: checkValidity, Spec: "RFC 5280 4.1.2.5"},
		{Name: checkQEIdentity, Spec: qvl + "4.1.2.9"},
		{Name: checkModule, Spec: qvl + "4.1.2.5.12"},
	}
}

// callersChecks is for how many checks of its own a caller finds room in the
// list without moving it.
const callersChecks = 12

// journal is the list of checks as it is filled in, and the first failure.
type journal struct {
	checks []rats.Check
	first  *rats.Error
}

func newJournal() *journal {
	list := clauses()
	j := &journal{checks: append(make([]rats.Check, 0, len(list)+callersChecks), list[:]...)}
	for i := range j.checks {
		j.checks[i].Outcome = rats.Skipped
	}
	return j
}

func (j *journal) entry(name string) *rats.Check {
	for i := range j.checks {
		if j.checks[i].Name == name {
			return &j.checks[i]
		}
	}
	panic("unknown check " + name) // names are the constants above
}

// pass records a check that passed.
func (j *journal) pass(name, detail string) {
	c := j.entry(name)
	c.Outcome, c.Detail = rats.Pass, detail
}

// judge records how a check ended and reports whether it passed.
func (j *journal) judge(name string, err error) bool {
	if err == nil {
		j.pass(name, "")
		return true
	}
	c := j.entry(name)
	e := rats.AsError(err)
	c.Outcome, c.Detail = rats.Fail, e.Detail
	if e.Kind == rats.EndorsementUnavailable || e.Kind == rats.EndorsementExpired {
		c.Outcome = rats.Undecided
	}
	if j.first == nil {
		j.first = e.In(name, c.Spec)
	}
	return false
}
