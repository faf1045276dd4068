// SPDX-License-Identifier: Apache-2.0

package explorer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// Governance is what the pages ask about what validators decided and decide on.
// It is safe for concurrent use.
type Governance interface {
	// Proposals returns what holds now, and the proposals that the state holds by
	// their numbers.
	Proposals() (record.Governance, []record.ProposalEntry, error)
	// Planned returns the version of the state machine that is to begin, or nil;
	// known says whether this program knows it.
	Planned() (next *record.Activation, known bool)
}

// governanceView is the page of what validators decide on.
type governanceView struct {
	frame
	Version uint64
	// Next is nil where no version is planned; Unknown: this node stops before it.
	Next       *record.Activation
	Unknown    bool
	Validators []validatorView
	Power      int64
	Parameters []settingView
	Policy     []settingView
	Proposals  []proposalView
	// Made counts the proposals that there ever were.
	Made uint64
	// Origin is the address of this node for the command that is shown.
	Origin string
}

type validatorView struct {
	Key, Governance hash
	Power           int64
}

// settingView is a parameter or a rule of the policy, and its value for people.
type settingView struct {
	Name, Value string
	// List is a value of several.
	List []string
}

type proposalView struct {
	Number                uint64
	Verdict               verdict
	Kind                  string
	Reason                string
	Opened, Since, Closes stamp
	NotBefore             stamp
	Yes, No, Total        int64
	Proposer              hash
	Changes               []string
	Votes                 []voteView
	Digest, Tx            hash
	Height, SinceHeight   uint64
}

type voteView struct {
	Word string
	Key  hash
	// Former: who is no validator any more, whose vote does not count.
	Former bool
}

func (p *pages) governance(w http.ResponseWriter, r *http.Request) {
	now, all, err := p.cfg.Governance.Proposals()
	if err != nil {
		p.fault(w, r, err)
		return
	}
	v, err := p.newGovernanceView(&now, all)
	if err != nil {
		p.fault(w, r, err)
		return
	}
	v.Origin = origin(r)
	p.render(w, r, http.StatusOK, "governance", v)
}

func (p *pages) newGovernanceView(now *record.Governance, all []record.ProposalEntry) (*governanceView, error) {
	v := &governanceView{frame: p.frame("Governance"), Version: now.Version, Next: now.Next, Made: now.Proposals}
	if next, known := p.cfg.Governance.Planned(); next != nil {
		v.Next, v.Unknown = next, !known
	}
	for _, one := range now.Validators {
		v.Validators = append(v.Validators, validatorView{hashOf(one.Key[:]), hashOf(one.Governance[:]), one.Power})
		v.Power += one.Power
	}
	var err error
	if v.Parameters, err = settingsOf(now.Parameters); err != nil {
		return nil, err
	}
	if v.Policy, err = settingsOf(now.Policy); err != nil {
		return nil, err
	}
	for i := range all {
		one, err := newProposalView(&all[i], now, p.cfg.Registry.Time())
		if err != nil {
			return nil, err
		}
		v.Proposals = append(v.Proposals, one)
	}
	slices.Reverse(v.Proposals)
	return v, nil
}

func newProposalView(e *record.ProposalEntry, now *record.Governance, at record.Millis) (proposalView, error) {
	p := &e.Proposal
	v := proposalView{
		Number: e.Number, Verdict: proposalVerdict(e.State), Kind: string(p.Kind()), Reason: p.Reason,
		Opened: newStamp(e.Opened, at), Since: newStamp(e.Since, at), Closes: newStamp(p.Closes, at), NotBefore: newStamp(p.NotBefore, at),
		Yes: e.Yes, No: e.No, Total: e.Total, Proposer: hashOf(e.Proposer[:]), Digest: hashOf(e.Digest[:]), Tx: hashOf(e.Tx[:]),
		Height: e.Height, SinceHeight: e.SinceHeight,
	}
	if e.State == record.ProposalOpen {
		v.Yes, v.No, v.Total = e.Tally(now.Validators)
	}
	for _, cast := range e.Votes {
		one := voteView{Word: "against it", Key: hashOf(cast.Governance[:])}
		if cast.Approve {
			one.Word = "for it"
		}
		one.Former = !slices.ContainsFunc(now.Validators, func(v record.Validator) bool { return v.Governance == cast.Governance })
		v.Votes = append(v.Votes, one)
	}
	if e.State != record.ProposalOpen && e.State != record.ProposalPassed {
		now = nil
	}
	var err error
	v.Changes, err = changesOf(p, now)
	return v, err
}

// proposalVerdict puts the state of a proposal into a word and a sentence.
func proposalVerdict(s record.ProposalState) verdict {
	switch s {
	case record.ProposalOpen:
		return verdict{warn, "Open", "The validators vote."}
	case record.ProposalPassed:
		return verdict{warn, "Passed", "More than two thirds of the power are for it; the change waits for its time."}
	case record.ProposalEnacted:
		return verdict{good, "Enacted", "The change was made."}
	case record.ProposalRejected:
		return verdict{bad, "Rejected", "A third of the power or more was against it."}
	case record.ProposalLapsed:
		return verdict{idle, "Lapsed", "Its time ended before it was decided."}
	case record.ProposalVoid:
		return verdict{idle, "Void", "It passed, and could not be done any more."}
	default:
		return verdict{idle, "Unknown", "It is in a state that this page does not know."}
	}
}

// changesOf says what a proposal would change, a line for each; of parameters and
// policy those that differ from the present ones, or all where now is nil.
func changesOf(p *record.Proposal, now *record.Governance) (out []string, err error) {
	for _, v := range p.Validators {
		if v.Power == 0 {
			out = append(out, fmt.Sprintf("validator %s goes", v.Key))
			continue
		}
		out = append(out, fmt.Sprintf("validator %s has power %d, governance key %s", v.Key, v.Power, v.Governance))
	}
	if p.Leap {
		out = append(out, "more than a third of the power may move at once")
	}
	switch n := p.Activation; {
	case n == nil:
	case n.Height == 0:
		out = append(out, "the planned version is called off")
	default:
		out = append(out, fmt.Sprintf("version %d of the state machine begins at block %d", n.Version, n.Height))
	}
	var before record.Governance
	if now != nil {
		before = *now
	}
	if p.Parameters != nil {
		if out, err = differences(out, *p.Parameters, before.Parameters, now != nil); err != nil {
			return nil, err
		}
	}
	if p.Policy != nil {
		return differences(out, *p.Policy, before.Policy, now != nil)
	}
	return out, nil
}

// differences adds a line for each member that differs; each member, where there
// is nothing to compare with.
func differences(out []string, to, from any, compare bool) ([]string, error) {
	after, err := settingsOf(to)
	if err != nil {
		return nil, err
	}
	before, err := settingsOf(from)
	if err != nil {
		return nil, err
	}
	for i := range after {
		switch a, b := after[i].text(), before[i].text(); {
		case !compare:
			out = append(out, after[i].Name+": "+a)
		case a != b:
			out = append(out, after[i].Name+": "+a+", in place of "+b)
		}
	}
	return out, nil
}

func (s *settingView) text() string {
	if len(s.List) > 0 {
		return strings.Join(s.List, ", ")
	}
	return s.Value
}

// settingsOf lists the members of parameters or of a policy under the names that
// they have in JSON, in their order.
func settingsOf(v any) ([]settingView, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, rats.Errorf(rats.Internal, "page: %w", err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return nil, rats.Errorf(rats.Internal, "page: %w", err)
	}
	var out []settingView
	t := reflect.TypeOf(v)
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		out = append(out, newSetting(name, members[name]))
	}
	return out, nil
}

func newSetting(name string, raw json.RawMessage) settingView {
	s := settingView{Name: name, Value: string(raw)}
	var number int64
	var words []string
	var roots []rats.TrustRoot
	switch {
	case json.Unmarshal(raw, &number) == nil && strings.HasSuffix(name, "_ms"):
		s.Value = span(number)
	case json.Unmarshal(raw, &words) == nil:
		s.Value, s.List = "none", words
	case json.Unmarshal(raw, &roots) == nil:
		s.Value = "none"
		for _, r := range roots {
			s.List = append(s.List, r.Name)
		}
	case s.Value == "true":
		s.Value = "yes"
	case s.Value == "false":
		s.Value = "no"
	}
	return s
}

// span puts milliseconds into words, whole: "2 days", "36 hours", "1500 ms".
func span(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if n := int64(d / unit.size); n > 0 && d%unit.size == 0 {
			if n > 1 {
				unit.name += "s"
			}
			return strconv.FormatInt(n, 10) + " " + unit.name
		}
	}
	return strconv.FormatInt(ms, 10) + " ms"
}
