// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
)

// tally counts what sources gave towards what is needed: for an appraisal by
// needs, for a renewal by keys.
type tally struct {
	order *Order
	needs []attesteer.Need
	keys  []rats.EndorsementKey
	at    time.Time

	got        []candidate
	seen       map[[32]byte]bool
	complaints []Complaint
	// asked are the sources that answered, silent those that did not.
	asked, silent []int
}

// candidate is an endorsement that verifies and that somebody needs.
type candidate struct {
	item
	from  int
	valid bool
}

// valid reports whether an endorsement holds at a time: by the vendor's dates
// and by the window of the certificate that vouches for it.
func valid(info *attesteer.EndorsementInfo, at time.Time) bool {
	return !at.Before(info.Issued) && !at.Before(info.ValidFrom) && !at.After(info.NextUpdate) && !at.After(info.ValidUntil)
}

// add takes in what a source said.
func (t *tally) add(r reply) {
	if t.seen == nil {
		t.seen = make(map[[32]byte]bool)
	}
	t.asked = append(t.asked, r.from)
	name := t.order.sources[r.from].Name
	if r.err != nil {
		t.complaints = append(t.complaints, Complaint{name, r.err})
	}
	stale := make(map[string]bool)
	for _, e := range r.items {
		id := identity(e)
		if t.seen[id] {
			continue
		}
		info, err := t.order.verifier.CheckEndorsement(e, t.order.cfg.Roots)
		if err != nil {
			t.complaints = append(t.complaints, Complaint{name, rats.Errorf(rats.KindOf(err),
				"%s: %s gave what is of no use: %s", e.Kind, name, rats.AsError(err).Error())})
			continue
		}
		t.seen[id] = true
		if !t.wanted(info.Key) {
			continue
		}
		c := candidate{item{e, info}, r.from, valid(info, t.at)}
		if what := About(info.Key); !c.valid && !stale[what] && !t.order.sources[r.from].Held {
			stale[what] = true
			t.complaints = append(t.complaints, Complaint{name, rats.Errorf(rats.EndorsementExpired,
				"%s: that of %s does not hold: %s", what, name, holding(info, t.at))})
		}
		t.got = append(t.got, c)
	}
}

// unheard takes note of sources that were asked and did not answer in time.
func (t *tally) unheard(silent []int) {
	t.silent = silent
	for _, i := range silent {
		t.complaints = append(t.complaints, Complaint{t.order.sources[i].Name, t.order.silence(i)})
	}
}

// holding says why an endorsement does not hold at a time.
func holding(info *attesteer.EndorsementInfo, at time.Time) string {
	day := func(t time.Time) string { return t.UTC().Format(time.DateOnly) }
	switch {
	case at.Before(info.Issued):
		return "it was issued later, on " + day(info.Issued)
	case at.After(info.NextUpdate):
		return "it is stale, its next update was due on " + day(info.NextUpdate)
	default:
		return "the certificate that vouches for it holds from " + day(info.ValidFrom) + " to " + day(info.ValidUntil)
	}
}

// wanted reports whether anybody asked for what stands under a key.
func (t *tally) wanted(key rats.EndorsementKey) bool {
	return slices.ContainsFunc(t.needs, func(n attesteer.Need) bool { return fits(key, n) }) ||
		slices.ContainsFunc(t.keys, func(k rats.EndorsementKey) bool { return place3(k) == place3(key) })
}

// place3 is what an endorsement is about, whichever evaluation and version.
func place3(k rats.EndorsementKey) rats.EndorsementKey {
	return rats.EndorsementKey{Kind: k.Kind, TEE: k.TEE, Scope: strings.ToLower(k.Scope)}
}

// About says what stands under a key, for people.
func About(k rats.EndorsementKey) string {
	tee := strings.ToUpper(string(k.TEE))
	switch k.Kind {
	case rats.TCBInfo:
		return "TCB info for " + tee + " of FMSPC " + k.Scope
	case rats.QEIdentity:
		return "QE identity for " + tee
	case rats.EvaluationNumbers:
		return "TCB evaluation numbers for " + tee
	case rats.PCKCRL:
		return "revocation list of the PCK CA " + k.Scope[:min(len(k.Scope), 16)]
	case rats.RootCACRL:
		return "revocation list of the root CA"
	default:
		return string(k.Kind)
	}
}

// complete reports whether each need has valid TCB info and a valid identity of
// one evaluation, and valid revocation lists.
func (t *tally) complete() bool { return len(t.lacks(true)) == 0 }

// lacks names what there is nothing of; onlyValid counts what holds alone, and
// has TCB info and identity belong together.
func (t *tally) lacks(onlyValid bool) []string {
	var out []string
	lack := func(what string) {
		if !slices.Contains(out, what) {
			out = append(out, what)
		}
	}
	for _, need := range t.needs {
		infos := t.numbers(rats.TCBInfo, need, onlyValid)
		identities := t.numbers(rats.QEIdentity, need, onlyValid)
		tee := strings.ToUpper(string(need.TEE))
		if len(infos) == 0 {
			lack("TCB info for " + tee + " of FMSPC " + hex.EncodeToString(need.FMSPC[:]))
		}
		if len(identities) == 0 {
			lack("QE identity for " + tee)
		}
		if onlyValid && !slices.ContainsFunc(infos, func(n uint32) bool { return slices.Contains(identities, n) }) {
			lack("TCB info and QE identity of one evaluation")
		}
		if len(t.numbers(rats.PCKCRL, need, onlyValid)) == 0 {
			lack(About(rats.EndorsementKey{Kind: rats.PCKCRL, Scope: need.CA}))
		}
		if len(t.numbers(rats.RootCACRL, need, onlyValid)) == 0 {
			lack("revocation list of the root CA")
		}
	}
	return out
}

// numbers returns the evaluations, one for each candidate, of which there is
// something of a kind for a need.
func (t *tally) numbers(kind rats.EndorsementKind, need attesteer.Need, onlyValid bool) []uint32 {
	var out []uint32
	for _, c := range t.got {
		if c.info.Key.Kind == kind && fits(c.info.Key, need) && (!onlyValid || c.valid && t.counts(c.info.Key)) {
			out = append(out, c.info.Key.EvaluationDataNumber)
		}
	}
	return out
}

// counts reports whether a key is of the evaluation that is asked for by number.
func (t *tally) counts(key rats.EndorsementKey) bool {
	if key.Kind != rats.TCBInfo && key.Kind != rats.QEIdentity {
		return true
	}
	n, err := strconv.ParseUint(string(t.order.cfg.Evaluation), 10, 32)
	return err != nil || uint64(key.EvaluationDataNumber) == n
}

// outstanding returns the keys for which nothing valid was given yet.
func (t *tally) outstanding() []rats.EndorsementKey {
	return slices.DeleteFunc(slices.Clone(t.keys), func(k rats.EndorsementKey) bool {
		return slices.ContainsFunc(t.got, func(c candidate) bool { return c.valid && place3(c.info.Key) == place3(k) })
	})
}

// answer chooses among what was given.
func (t *tally) answer() *Answer {
	a := &Answer{Standard: make(map[rats.TEE]uint32)}
	chosen := t.choose()
	first := slices.Min(slices.Concat(t.asked, t.silent, []int{len(t.order.sources)}))
	seen := make(map[[32]byte]bool)
	for _, c := range chosen {
		a.Items = append(a.Items, c.Endorsement)
		if !seen[c.info.SHA256] {
			seen[c.info.SHA256] = true
			a.From = append(a.From, Given{
				Info: *c.info, Source: t.order.sources[c.from].Name, First: c.from == first, Stale: !c.valid,
			})
		}
	}
	t.standard(a, chosen)
	slices.SortStableFunc(t.complaints, func(x, y Complaint) int {
		return cmp.Compare(t.order.position(x.Source), t.order.position(y.Source))
	})
	a.Complaints = t.complaints
	var missing []string
	for _, k := range t.outstanding() {
		missing = append(missing, About(k))
	}
	missing = append(missing, t.lacks(false)...)
	if len(missing) > 0 {
		a.Short = t.shortage(missing)
	}
	return a
}

func (o *Order) position(name string) int {
	return slices.IndexFunc(o.sources, func(s Named) bool { return s.Name == name })
}

// shortage says what is missing, in the words of the sources that spoke of it.
func (t *tally) shortage(missing []string) error {
	var said []string
	for _, c := range t.complaints {
		if detail := words(c.Err); rats.KindOf(c.Err) != rats.EndorsementExpired && !slices.Contains(said, detail) {
			said = append(said, detail)
		}
	}
	if len(said) == 0 {
		said = []string{strings.Join(missing, ", ") + ": no source has it"}
	}
	return rats.Errorf(rats.EndorsementUnavailable, "%s", strings.Join(said, "; "))
}

// choose returns, for each key, the freshest valid copy, and where none holds
// the freshest. Nothing is left of an evaluation that holds nowhere where
// another of the same or a higher number does: the verdict must not rest on what
// is stale while something newer is not.
func (t *tally) choose() []candidate {
	best := make(map[rats.EndorsementKey]candidate)
	holds := make(map[rats.EndorsementKey]uint32) // the highest number that holds, plus one
	for _, c := range t.got {
		if b, ok := best[c.info.Key]; !ok || fresher(c, b) {
			best[c.info.Key] = c
		}
		if what := place3(c.info.Key); c.valid && t.counts(c.info.Key) {
			holds[what] = max(holds[what], c.info.Key.EvaluationDataNumber+1)
		}
	}
	var out []candidate
	for _, c := range t.got { // with every certificate for one body
		key := c.info.Key
		b := best[key]
		if c.info.SHA256 != b.info.SHA256 || c.valid != b.valid || !b.valid && holds[place3(key)] > key.EvaluationDataNumber {
			continue
		}
		out = append(out, c)
	}
	slices.SortStableFunc(out, func(a, b candidate) int { return inOrder(a.item, b.item) })
	return out
}

// fresher reports whether a is to be preferred to b: it holds and b does not, it
// was issued later, or holds longer; then, so that the order of answers does not
// matter, by content and by the order of sources.
func fresher(a, b candidate) bool {
	if a.valid != b.valid {
		return a.valid
	}
	return cmp.Or(
		a.info.Issued.Compare(b.info.Issued), a.info.NextUpdate.Compare(b.info.NextUpdate),
		a.info.ValidUntil.Compare(b.info.ValidUntil), slices.Compare(a.info.SHA256[:], b.info.SHA256[:]),
		cmp.Compare(b.from, a.from),
	) > 0
}

// standard finds which evaluation is the standard one: what the source of the
// freshest TCB info calls so.
func (t *tally) standard(a *Answer, chosen []candidate) {
	issued := make(map[rats.TEE]time.Time)
	for _, from := range t.asked {
		source, ok := t.order.sources[from].Source.(interface {
			Standard(tee rats.TEE) (number uint32, known bool)
		})
		if !ok {
			continue
		}
		for _, c := range chosen {
			key := c.info.Key
			if key.Kind != rats.TCBInfo {
				continue
			}
			number, known := source.Standard(key.TEE)
			if _, had := a.Standard[key.TEE]; known && number == key.EvaluationDataNumber && (!had || c.info.Issued.After(issued[key.TEE])) {
				a.Standard[key.TEE], issued[key.TEE] = number, c.info.Issued
			}
		}
	}
}

// words are what an error says, without its kind where it has one.
func words(err error) string {
	return cmp.Or(rats.AsError(err).Detail, err.Error())
}
