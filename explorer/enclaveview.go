// SPDX-License-Identifier: Apache-2.0

package explorer

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// shownHistory is how many events a page shows, newest first; the rest is in
// the JSON that the page links to.
const shownHistory = 50

// enclaveView is the page of one enclave.
type enclaveView struct {
	frame
	row
	State   record.State
	TEEName string
	// Noun is the short word for what runs, Unnamed its heading without a url.
	Noun, Unnamed   string
	Measures        string
	Vendor          hash
	Signer          hash
	ISVProdID       uint16
	ISVSVN          uint16
	StatusSentence  string
	StatusSince     stamp
	WillChange      string
	Advisories      []link
	FMSPC           hash
	TrustRoot       string
	RootSentence    string
	FirstAttested   stamp
	ValidUntil      stamp
	Attestations    uint64
	FreshnessBlock  uint64
	Fresh           bool
	Listings        []listing
	Evidence        hash
	Envelope        string
	Claims          []claim
	KeyType         string
	KeyHash         hash
	AppraisedWith   []hash
	WrittenAt       uint64
	Tx              hash
	History         []historyEntry
	HistoryLeftOver int
	Command         string
}

// claim is something that the enclave says of its own accord.
type claim struct {
	Name string
	// Text is the value where it is printable, Hex the value as it is.
	Text string
	Hex  hash
}

// listing is what one registrar says.
type listing struct {
	Registrar      hash
	URL            link
	Since, Expires stamp
	Active         bool
	Admitted       bool
}

// historyEntry is an event in the life of an enclave.
type historyEntry struct {
	Word, Sentence string
	Time           stamp
	Height         uint64
	Tx             hash
	Verdict        verdict
	Status         rats.TCBStatus
	// Change says how the status moved with this event, if it did.
	Change  string
	Expires stamp
}

func (p *pages) newEnclaveView(r *record.Record, history []record.Event, node string) *enclaveView {
	what := noun(r.TEE)
	unnamed := strings.ToUpper(what[:1]) + what[1:]
	f := p.frame(unnamed)
	at := p.cfg.Registry.Time()
	v := &enclaveView{
		frame: f, row: newRow(r, at), State: r.StateAt(at), TEEName: teeName(r.TEE),
		Noun: what, Unnamed: unnamed + " without a url", Measures: fingerprintSentence(r.TEE),
		Vendor: hashOf(r.MRSigner), Signer: hashOf(r.Subject), ISVProdID: r.ISVProdID, ISVSVN: r.ISVSVN,
		StatusSentence: statusSentence(r.Status), StatusSince: newStamp(r.StatusSince, at), WillChange: willChangeSentence(r.WillChange),
		FMSPC: hashOf(r.FMSPC), TrustRoot: r.TrustRoot, RootSentence: rootSentence(r.TrustRoot) + retiredSentence(r.TEE),
		FirstAttested: newStamp(r.FirstAttested, at), ValidUntil: newStamp(r.ValidUntil, at), Attestations: r.Attestations,
		Fresh: r.Freshness.Kind == record.FreshnessBlock, FreshnessBlock: r.Freshness.Height,
		Evidence: hashOf(r.EvidenceSHA256[:]), WrittenAt: r.Height, Tx: hashOf(r.Tx[:]),
	}
	if v.URL.Text != "" {
		v.Title = v.URL.Text
	}
	for _, a := range r.Advisories {
		v.Advisories = append(v.Advisories, advisory(a))
	}
	for _, f := range r.Envelope {
		if v.Envelope != "" {
			v.Envelope += ", in it "
		}
		v.Envelope += string(f)
	}
	for _, c := range r.Claims {
		one := claim{Name: c.Name, Hex: hashOf(c.Value)}
		if text := attesteer.NewCustomClaim(c.Name, c.Value).Text; text != nil {
			one.Text = *text
		}
		v.Claims = append(v.Claims, one)
	}
	if key, err := record.ReadKey(r.Key); err == nil {
		v.KeyType, v.KeyHash = fmt.Sprintf("%s, %d bits", key.Algorithm, key.Bits), hashOf(key.SHA256[:])
	}
	for i := range r.Listings {
		l := &r.Listings[i]
		v.Listings = append(v.Listings, listing{
			Registrar: hashOf(l.Registrar[:]), URL: newLink(l.URL), Since: newStamp(l.Since, at), Expires: newStamp(l.Expires, at),
			Active: l.Expires > at, Admitted: l.Admitted,
		})
	}
	for _, d := range r.AppraisedWith {
		v.AppraisedWith = append(v.AppraisedWith, hashOf(d[:]))
	}
	v.History, v.HistoryLeftOver = timeline(history, at)
	id := hex.EncodeToString(r.ID[:])
	v.Command = fmt.Sprintf("attesteer enclaves proof %s --node %s > bundle.json && attesteer proof verify bundle.json --trust genesis.json", id, node)
	return v
}

// timeline returns the newest events, newest first, and how many it left out.
func timeline(events []record.Event, at record.Millis) ([]historyEntry, int) {
	var out []historyEntry
	for i := len(events) - 1; i >= 0 && len(out) < shownHistory; i-- {
		e := &events[i]
		entry := historyEntry{
			Word: eventWords(e.Kind), Sentence: eventSentence(e.Kind), Time: newStamp(e.Time, at), Height: e.Height,
			Tx: hash(e.Tx.Hex()), Verdict: verdictOf(&e.Record), Status: e.Record.Status, Expires: newStamp(e.Record.Expires, at),
		}
		if i > 0 && events[i-1].Record.Status != e.Record.Status {
			entry.Change = fmt.Sprintf("The status moved from %s to %s.", events[i-1].Record.Status, e.Record.Status)
		}
		out = append(out, entry)
	}
	return out, len(events) - len(out)
}

// intelAdvisory is the form of the advisories that Intel publishes under an
// address made of their name.
var intelAdvisory = regexp.MustCompile(`^INTEL-SA-([0-9]{5})$`)

func advisory(name string) link {
	if m := intelAdvisory.FindStringSubmatch(name); m != nil {
		return link{Text: name, Href: "https://www.intel.com/content/www/us/en/security-center/advisory/intel-sa-" + m[1] + ".html"}
	}
	return link{Text: name}
}
