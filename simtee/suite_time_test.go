// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// dated is something that has a window.
type dated struct {
	name, text string
	// set gives it a window; kind is what comes of being outside.
	set  func(from, until time.Time) edit
	kind rats.Kind
}

func certified(role simtee.Role) func(from, until time.Time) edit {
	return func(from, until time.Time) edit {
		return template(role, func(t *x509.Certificate) { t.NotBefore, t.NotAfter = from, until })
	}
}

func listed(role simtee.Role) func(from, until time.Time) edit {
	return func(from, until time.Time) edit {
		return crl(role, func(l *simtee.RevocationList) { l.Template.ThisUpdate, l.Template.NextUpdate = from, until })
	}
}

func datedThings() []dated {
	return []dated{
		{"pck", "the PCK certificate", certified(simtee.PCK), rats.Expired},
		// The CA vouches for its revocation list too, and what the list says is
		// looked at first.
		{"pck-ca", "the PCK CA's certificate, which came with the quote and with the CA's list,", certified(simtee.PCKCA), rats.EndorsementExpired},
		{"tcb-signing", "the TCB signing certificate", certified(simtee.TCBSigning), rats.EndorsementExpired},
		{"tcb-info", "the TCB info", func(from, until time.Time) edit {
			return info(func(i *simtee.TCBInfo) { i.IssueDate, i.NextUpdate = stamp(from), stamp(until) })
		}, rats.EndorsementExpired},
		{"identity", "the QE identity", func(from, until time.Time) edit {
			return identity(func(i *simtee.Identity) { i.IssueDate, i.NextUpdate = stamp(from), stamp(until) })
		}, rats.EndorsementExpired},
		{"root-crl", "the root's revocation list", listed(simtee.RootCA), rats.EndorsementExpired},
		{"pck-crl", "the PCK CA's revocation list", listed(simtee.PCKCA), rats.EndorsementExpired},
	}
}

func validity() family {
	const clause = "RFC 5280 4.1.2.5 and 5.1.2; PCS API v4 3.3, 3.6"
	const early = "Intel's library looks at the beginning of revocation lists alone."
	f := family{name: "time"}
	add := func(name, text string, w want, note string, edits ...edit) {
		f.cases = append(f.cases, testCase{name, clause, text, w, edits, note})
	}
	before, after := noon.AddDate(0, 0, -10), noon.AddDate(0, 0, 10)
	for _, d := range datedThings() {
		add(d.name+"-in-its-last-second", d.text+" ends at the time of the appraisal, which belongs to it", accepted(), "", d.set(before, noon))
		add(d.name+"-ended", d.text+" ended a second ago", refused(d.kind), "", d.set(before, noon.Add(-time.Second)))
		add(d.name+"-in-its-first-second", d.text+" begins at the time of the appraisal", accepted(), "", d.set(noon, after))
		note := early
		if d.kind == rats.EndorsementExpired && (d.name == "root-crl" || d.name == "pck-crl") {
			note = ""
		}
		add(d.name+"-not-yet", d.text+" begins in a second", refused(d.kind), note, d.set(noon.Add(time.Second), after))
	}
	for _, name := range []string{"tdx-v4", "tdx-v5-td15"} {
		for _, d := range datedThings() {
			add(fmt.Sprintf("%s-ended-%s", d.name, name), d.text+" ended a second ago", refused(d.kind), "", formNamed(name, d.set(before, noon.Add(-time.Second)))...)
		}
	}
	add("ca-of-the-quote-ended", "the CA's certificate in the quote has ended; with its list comes a newer one of the same key", refused(rats.Expired), "",
		template(simtee.PCKCA, func(t *x509.Certificate) { t.NotAfter = noon.Add(-time.Second) }), lacking(rats.PCKCRL), elsewhere(rats.PCKCRL))
	add("root-certificate-ended", "the root's certificate that comes along has ended: the root is a key and a name, and has no time", accepted(),
		"Intel's library refuses an expired root certificate.", template(simtee.RootCA, func(t *x509.Certificate) { t.NotAfter = noon.Add(-time.Second) }))
	add("long-before", "the appraisal is a year before everything", refused(rats.EndorsementExpired), "", judgedAt(time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC)))
	add("long-after", "the appraisal is after everything", refused(rats.EndorsementExpired), "", judgedAt(time.Date(2051, 1, 1, 0, 0, 0, 0, time.UTC)))
	add("last-second-of-all", "the appraisal is in the last second of TCB info, identity and lists", accepted(), "", judgedAt(time.Date(2025, 7, 20, 0, 0, 0, 0, time.UTC)))
	add("second-after-all", "the appraisal is a second after the end of TCB info, identity and lists", refused(rats.EndorsementExpired), "", judgedAt(time.Date(2025, 7, 20, 0, 0, 1, 0, time.UTC)))
	add("first-second-of-all", "the appraisal is in the first second of TCB info, identity and lists", accepted(), "", judgedAt(time.Date(2025, 6, 20, 0, 0, 0, 0, time.UTC)))
	add("second-before-all", "the appraisal is a second before TCB info, identity and lists", refused(rats.EndorsementExpired), "", judgedAt(time.Date(2025, 6, 19, 23, 59, 59, 0, time.UTC)))
	ended := certified(simtee.PCK)(before, noon.Add(-time.Second))
	stale := info(func(i *simtee.TCBInfo) { i.NextUpdate = stamp(noon.Add(-time.Second)) })
	add("stale-before-expired", "the PCK certificate has ended and the TCB info is stale: the answer is undecided", refused(rats.EndorsementExpired), "", ended, stale)
	add("signature-before-expired", "the PCK certificate has ended and the QE report's signature is broken: the signature counts", refused(rats.BadSignature), "", ended,
		quotingEnclave(func(q *simtee.QuotingEnclave) { q.Key = simtee.Key("intruder") }))
	add("broken-before-stale", "the TCB info's signature is broken, and it is stale: the signature counts", refused(rats.BadSignature), "", stale, sent(rats.TCBInfo, flipSignature))
	add("broken-before-missing", "the TCB info's signature is broken, and the root's list is missing", refused(rats.BadSignature), "", lacking(rats.RootCACRL), sent(rats.TCBInfo, flipSignature))
	add("missing-before-stale", "the TCB info is stale, and the root's list is missing", refused(rats.EndorsementUnavailable), "", lacking(rats.RootCACRL), stale)
	add("expired-before-qe-mismatch", "the PCK certificate has ended, and the quoting enclave is not the one that the identity describes", refused(rats.Expired), "", ended,
		quotingEnclave(func(q *simtee.QuotingEnclave) { q.Report.MRSigner[0] ^= 1 }))
	add("expired-before-status", "the PCK certificate has ended, and the platform is out of date", refused(rats.Expired), "", ended, platformAt(rats.OutOfDate))
	return f
}

func evaluationNumbers() family {
	const clause = "PCS API v4 3.7, TCB evaluation data numbers"
	f := family{name: "evaluation-number"}
	add := func(name, text string, w want, edits ...edit) {
		f.cases = append(f.cases, testCase{name, clause, text, w, edits, ""})
	}
	// Evaluation 21 calls the platform out of date.
	next := info(func(i *simtee.TCBInfo) { i.EvaluationDataNumber = 21; i.Levels[0].Status = rats.OutOfDate })
	nextIdentity := identity(func(i *simtee.Identity) { i.EvaluationDataNumber = 21 })
	infos, both := elsewhere(rats.TCBInfo, next), elsewhere(rats.QEIdentity, nextIdentity)
	choose := func(number string) edit { return demanding("evaluation_number", number) }
	old := at(rats.OutOfDate)
	add("highest-shared", "evaluations 20 and 21 are there: the highest that TCB info and identity share counts", old, infos, both)
	add("not-shared", "there is TCB info of 20 and 21, and an identity of 20: 20 counts, which they share", accepted(), infos)
	add("none-shared", "there is TCB info of 21 and an identity of 20: the highest of each counts", old, next)
	add("chosen-20", "of 20 and 21 the caller chooses 20", accepted(), infos, both, choose("20"))
	add("chosen-21", "of 20 and 21 the caller chooses 21", old, infos, both, choose("21"))
	add("chosen-22", "the caller chooses 22, which nobody has", refused(rats.EndorsementUnavailable), infos, both, choose("22"))
	add("chosen-21-identity-missing", "the caller chooses 21, of which the identity is missing", refused(rats.EndorsementUnavailable), infos, choose("21"))
	add("early", "the caller chooses the early evaluation: the highest shared one", old, infos, both, choose("early"))
	add("standard", "the caller chooses the standard evaluation, and nobody says which that is: the highest shared one", old, infos, both, choose("standard"))
	add("highest", "the caller chooses the highest of each, shared or not", old, infos, choose("highest"))
	add("later-of-two", "of two TCB infos of one number the later one counts", old, elsewhere(rats.TCBInfo, info(func(i *simtee.TCBInfo) {
		i.IssueDate, i.Levels[0].Status = stamp(noon.Add(-time.Hour)), rats.OutOfDate
	})))
	add("version-3-before-2", "of TCB infos of versions 2 and 3, of one number and date, that of version 3 counts", accepted(),
		elsewhere(rats.TCBInfo, info(v2), info(func(i *simtee.TCBInfo) { i.Levels[0].Status = rats.OutOfDate })))
	for _, tee := range []struct {
		name string
		tee  rats.TEE
	}{{"sgx-v3", rats.SGX}, {"tdx-v4", rats.TDX}} {
		list := func(more ...edit) []edit {
			return formNamed(tee.name, append(more, having(func(s *scene) (rats.Endorsement, error) { return s.pki.EvaluationNumbers(s.tee, noon) }))...)
		}
		text := func(g func(string) string) edit { return inner(rats.EvaluationNumbers, g) }
		bad := refused(rats.Malformed)
		add("list-"+tee.name, "a list of evaluation numbers is there too", accepted(), list()...)
		add("list-stale-"+tee.name, "the list of evaluation numbers is stale: no verdict rests on it", accepted(), list(func(s *scene) {
			s.numbers = append(s.numbers, func(n *simtee.EvaluationNumbers) { n.NextUpdate = stamp(noon.Add(-time.Second)) })
		})...)
		add("list-lacks-id-"+tee.name, "the list of evaluation numbers lacks its id", bad, list(text(without("id")))...)
		add("list-of-another-"+tee.name, "the list's id is of no TEE of Intel's", bad, list(text(being("id", `"QE"`)))...)
		add("list-version-2-"+tee.name, "the list has version 2", refused(rats.Unsupported), list(text(being("version", "2")))...)
		add("list-empty-"+tee.name, "the list is empty", bad, list(func(s *scene) {
			s.numbers = append(s.numbers, func(n *simtee.EvaluationNumbers) { n.Numbers = []simtee.EvaluationNumber{} })
		})...)
		add("list-number-twice-"+tee.name, "a number stands twice in the list", bad, list(text(replace(`"tcbEvaluationDataNumber":19`, `"tcbEvaluationDataNumber":20`)))...)
		add("list-date-text-"+tee.name, "a date of the list is none", bad, list(text(being("tcbRecoveryEventDate", `"then"`)))...)
	}
	return f
}
