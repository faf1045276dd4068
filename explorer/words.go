// SPDX-License-Identifier: Apache-2.0

package explorer

import (
	"fmt"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// tone is how a verdict is drawn. It never stands alone: a word and the shape
// of an icon say the same.
type tone string

// The tones. Each has an icon in templates/frame.html and colours in style.css.
const (
	good tone = "good"
	warn tone = "warn"
	bad  tone = "bad"
	idle tone = "idle"
)

// verdict is what a record says, in words for people.
type verdict struct {
	Tone     tone
	Word     string
	Sentence string
}

// judge puts a record's tier and its state at ledger time at into words. What
// the record no longer vouches for is never called verified.
func judge(r *record.Record, at record.Millis) verdict {
	v := verdictOf(r)
	was := "It was last judged as “" + v.Word + "”"
	switch r.StateAt(at) {
	case record.Active:
		return v
	case record.Expired:
		if r.StatusReason == record.ReasonCertificate {
			return verdict{idle, "Expired", was + ", but a certificate that vouches for its platform came to its end on " + day(r.StatusSince) + "."}
		}
		return verdict{idle, "Expired", was + ", but the time for which its registrars vouched ended on " + day(r.Expires) + "."}
	case record.Undecided:
		return verdict{idle, "Undecided", was + ", but the vendor’s data behind that verdict lapsed on " + day(r.ValidUntil) + ". " +
			"Until newer data arrive nobody can say whether it still holds."}
	case record.Withdrawn:
		return verdict{idle, "Withdrawn", was + ". Since then the holder of its own key has withdrawn the record."}
	case record.Revoked:
		return verdict{bad, "Revoked", revokedSentence(r)}
	default:
		return verdict{idle, "Not checked", "The record is in a state that this page does not know."}
	}
}

// revokedSentence says why a record that was recorded as genuine is revoked.
func revokedSentence(r *record.Record) string {
	since := "Since " + day(r.StatusSince) + " "
	switch r.StatusReason {
	case record.ReasonNotSupported:
		return since + "its platform fits none of the levels that its vendor vouches for."
	case record.ReasonMismatch:
		return since + "what signed its evidence is not what its vendor describes."
	default:
		return since + "its vendor’s word is withdrawn, for its platform or for a certificate that vouches for it."
	}
}

// willChangeSentence says what is to be expected, empty where nothing is.
func willChangeSentence(w *record.WillChange) string {
	if w == nil {
		return ""
	}
	return "From " + day(w.At) + " on it will be " + string(w.To) + ", by what its vendor has published already, unless the platform is updated and attested again."
}

// simulatedWord is the best that can be said of a simulated enclave.
const simulatedWord = "Verified, but simulated"

// verdictOf puts the tier of the last appraisal into words.
func verdictOf(r *record.Record) verdict {
	subject := "This is a genuine " + teeName(r.TEE)
	if r.TrustRoot == rats.SimulatedRoot {
		subject = "This is a simulated " + teeName(r.TEE)
		if r.Tier == rats.Affirming || r.Tier == rats.Warning {
			return verdict{warn, simulatedWord, subject + ". " + rootSentence(r.TrustRoot)}
		}
	}
	switch r.Tier {
	case rats.Affirming:
		return verdict{good, "Verified", subject + ", on a platform that its vendor calls up to date."}
	case rats.Warning:
		return verdict{warn, "Verified, with warnings", subject + ". " + statusSentence(r.Status)}
	case rats.Contraindicated:
		if r.BuildMode == rats.Debug {
			return verdict{bad, "Rejected", subject + ", but a debug build: whoever runs the machine can read and change its memory."}
		}
		return verdict{bad, "Rejected", subject + ". " + statusSentence(r.Status)}
	default:
		return verdict{idle, "Not checked", "Nothing could be established about this enclave."}
	}
}

// teeName returns what people call what runs inside a TEE.
func teeName(tee rats.TEE) string {
	switch tee {
	case rats.SGX:
		return "Intel SGX enclave"
	case rats.EPID:
		return "Intel SGX enclave (EPID)"
	case rats.TDX:
		return "Intel TDX virtual machine"
	case rats.SNP:
		return "AMD SEV-SNP virtual machine"
	case rats.Nitro:
		return "AWS Nitro enclave"
	case rats.Keystone:
		return "Keystone enclave"
	case rats.Sanctum:
		return "Sanctum enclave"
	case rats.CCA:
		return "Arm CCA realm"
	default:
		return "enclave of kind " + string(tee)
	}
}

// fingerprintName is the vendor’s name for the measurement of the code.
func fingerprintName(tee rats.TEE) string {
	switch tee {
	case rats.SGX, rats.EPID:
		return "MRENCLAVE"
	case rats.TDX:
		return "SHA-384 of MRTD and RTMRs"
	case rats.SNP:
		return "MEASUREMENT"
	case rats.Nitro:
		return "PCR0"
	case rats.CCA:
		return "realm initial measurement"
	default:
		return "enclave hash"
	}
}

// fingerprintSentence says what that measurement takes in.
func fingerprintSentence(tee rats.TEE) string {
	if tee == rats.TDX {
		return "One hash over what the virtual machine started from (MRTD) and what it measured since (RTMR0 to RTMR3). " +
			"The same system, started alike, has the same fingerprint everywhere."
	}
	return "The measurement of the code. The same code has the same fingerprint everywhere."
}

// noun returns the short word for what runs inside a TEE.
func noun(tee rats.TEE) string {
	switch tee {
	case rats.TDX, rats.SNP:
		return "virtual machine"
	case rats.CCA:
		return "realm"
	default:
		return "enclave"
	}
}

// statusSentence says what a TCB status means for who relies on the platform.
func statusSentence(s rats.TCBStatus) string {
	switch s {
	case rats.UpToDate:
		return "The platform’s firmware and microcode are up to date."
	case rats.SWHardeningNeeded:
		return "The platform is up to date, but has known weaknesses that the code inside must guard against itself."
	case rats.ConfigurationNeeded:
		return "The platform is up to date, but its settings may leave it open to known attacks."
	case rats.ConfigurationAndSWHardeningNeeded:
		return "The platform is up to date, but its settings, and the code inside, must guard against known weaknesses."
	case rats.TDRelaunchAdvised:
		return "The platform has been updated since this virtual machine started; it should be started again."
	case rats.TDRelaunchAdvisedConfigurationNeeded:
		return "The platform has been updated since this virtual machine started; it should be started again, and the platform’s settings need attention."
	case rats.OutOfDate:
		return "The platform lacks security updates that its vendor has published."
	case rats.OutOfDateConfigurationNeeded:
		return "The platform lacks security updates that its vendor has published, and its settings need attention."
	case rats.TCBRevoked:
		return "The vendor has withdrawn its trust in this platform."
	case rats.NotSupported:
		return "The platform fits none of the levels that its vendor vouches for."
	default:
		return "The vendor’s word about the platform is not known here."
	}
}

// parts cuts a vendor’s word where a narrow column may break it.
func parts(s rats.TCBStatus) []string {
	var out []string
	from := 0
	for i := 1; i < len(s); i++ {
		if s[i] >= 'A' && s[i] <= 'Z' && s[i-1] >= 'a' && s[i-1] <= 'z' {
			out, from = append(out, string(s[from:i])), i
		}
	}
	return append(out, string(s[from:]))
}

// rootSentence says on whose word the verdict rests.
func rootSentence(root string) string {
	switch root {
	case rats.IntelRoot:
		return "The verdict rests on Intel’s word, and on its root key."
	case rats.SimulatedRoot:
		return "No hardware vouches for this: the root key is public, for development, and anyone can sign under it."
	default:
		return "The verdict rests on the word of whoever holds this root key."
	}
}

// retiredSentence says what is left of the word of a vendor who says no more.
func retiredSentence(tee rats.TEE) string {
	if tee != rats.EPID {
		return ""
	}
	return " Intel ended this kind of attestation on 2 April 2025: what it said it said of that day alone, " +
		"and nothing that became known since is in it."
}

// eventWords says what an event did.
func eventWords(kind record.EventKind) string {
	switch kind {
	case record.Recorded:
		return "Recorded"
	case record.Attested:
		return "Attested again"
	case record.Listed:
		return "Listed"
	case record.Delisted:
		return "Delisted"
	case record.WithdrawnByKey:
		return "Withdrawn"
	case record.RanOut:
		return "Expired"
	case record.Lapsed:
		return "Undecided"
	case record.Reappraised:
		return "Judged again"
	case record.Announced:
		return "A change is announced"
	default:
		return string(kind)
	}
}

func eventSentence(kind record.EventKind) string {
	switch kind {
	case record.Recorded:
		return "Its evidence was verified by every validator for the first time."
	case record.Attested:
		return "Further evidence of the same enclave was verified."
	case record.Listed:
		return "A registrar added or renewed its listing."
	case record.Delisted:
		return "A registrar withdrew its own listing."
	case record.WithdrawnByKey:
		return "The holder of its own key withdrew the whole record. Only evidence bound to a later block can revive it."
	case record.RanOut:
		return "The time for which its registrars vouched, or a certificate of its platform, came to its end."
	case record.Lapsed:
		return "The vendor’s data behind its verdict lapsed, and none replaced them in time."
	case record.Reappraised:
		return "The ledger judged it again, by newer data of its vendor."
	case record.Announced:
		return "What its vendor has published changed what is to be expected of its status."
	default:
		return ""
	}
}

// networkBanner says what a network accepts that a main network refuses.
func networkBanner(network string) string {
	switch network {
	case "dev":
		return "Development network: simulated enclaves are accepted, and so are debug builds."
	case "test":
		return "Test network: debug builds are accepted."
	default:
		return ""
	}
}

// stamp is a time for people and for machines.
type stamp struct {
	// ISO is RFC 3339.
	ISO string
	// Day and Clock are the parts that people read, in UTC.
	Day, Clock string
	// Distance is how far the time lies from ledger time: "3 hours ago".
	Distance string
}

// day is the UTC day of a time, for sentences.
func day(t record.Millis) string { return t.Time().Format("2 January 2006") }

func newStamp(t, at record.Millis) stamp {
	if t == 0 {
		return stamp{}
	}
	u := t.Time()
	return stamp{
		ISO: u.Format(time.RFC3339), Day: u.Format("2 Jan 2006"), Clock: u.Format("15:04:05 UTC"),
		Distance: distance(time.Duration(t-at) * time.Millisecond),
	}
}

// distance puts a duration from now into words, cut down to its largest unit.
func distance(d time.Duration) string {
	ago := d < 0
	if ago {
		d = -d
	}
	n, unit := int64(d/time.Second), "second"
	for _, step := range []struct {
		size time.Duration
		name string
	}{{time.Minute, "minute"}, {time.Hour, "hour"}, {24 * time.Hour, "day"}} {
		if d >= step.size {
			n, unit = int64(d/step.size), step.name
		}
	}
	if n == 0 {
		return "now"
	}
	if n != 1 {
		unit += "s"
	}
	if ago {
		return fmt.Sprintf("%d %s ago", n, unit)
	}
	return fmt.Sprintf("in %d %s", n, unit)
}
