// SPDX-License-Identifier: Apache-2.0

package explorer_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/explorer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// council is what validators of a ledger in memory decide on.
type council struct {
	now     record.Governance
	all     []record.ProposalEntry
	unknown bool
	broken  error
}

func (c *council) Proposals() (record.Governance, []record.ProposalEntry, error) {
	return c.now, c.all, c.broken
}

func (c *council) Planned() (*record.Activation, bool) { return c.now.Next, !c.unknown }

func publicKey(n uint64) record.PublicKey { return record.PublicKey(fill("governance", n)) }

// sitting is a council of four with a proposal of each kind and in each state.
func sitting() *council {
	c := &council{now: record.Governance{
		Parameters: record.Parameters{DefaultDuration: 2 * 86_400_000, MinDuration: 60_000, MaxListings: 16, MaxUnfresh: 1500},
		Policy:     record.NetworkPolicy{AllowDebug: true, Registrars: []string{strings.Repeat("ab", 32)}, Manufacturers: []rats.TrustRoot{{Name: "acme"}}},
		Version:    4, Next: &record.Activation{Version: 5, Height: 250_000}, Proposals: 8,
	}}
	for n := range uint64(4) {
		c.now.Validators = append(c.now.Validators, record.Validator{Key: record.PublicKey(fill("key", n)), Governance: publicKey(n), Power: 10})
	}
	parameters := c.now.Parameters
	parameters.MaxListings = 32
	kinds := []record.Proposal{
		{Parameters: &parameters, Reason: "more registrars per enclave"},
		{Policy: &record.NetworkPolicy{AllowDebug: false, Registrars: c.now.Policy.Registrars}, Reason: `<script>alert(1)</script> & "quotes"`},
		{Activation: &record.Activation{Version: 5, Height: 250_000}},
		{Activation: &record.Activation{Version: 4}},
		{Validators: []record.Validator{{Key: publicKey(50), Governance: publicKey(51), Power: 7}}, Leap: true},
		{Validators: []record.Validator{{Key: publicKey(52), Governance: publicKey(53)}}},
	}
	states := []record.ProposalState{record.ProposalOpen, record.ProposalPassed, record.ProposalEnacted, record.ProposalRejected, record.ProposalLapsed, record.ProposalVoid}
	for i, p := range kinds {
		p.Closes, p.NotBefore = now+day, now+2*day
		digest, err := p.Digest()
		if err != nil {
			panic(err) // it always encodes
		}
		e := record.ProposalEntry{
			Number: uint64(i + 3), Digest: digest, Proposer: publicKey(0), Opened: now - hour, Height: 90, Tx: record.TxHash(fill("motion", uint64(i))),
			Proposal: p, State: states[i], Since: now - hour, SinceHeight: 91,
			Votes: []record.CastVote{{Governance: publicKey(0), Approve: true}, {Governance: publicKey(1)}, {Governance: publicKey(99), Approve: true}},
		}
		if e.State != record.ProposalOpen {
			e.Yes, e.No, e.Total = 30, 5, 41
		}
		c.all = append(c.all, e)
	}
	return c
}

func governed(t *testing.T, c *council) http.Handler {
	t.Helper()
	l, _ := populated()
	return explorer.Pages(explorer.PagesConfig{
		Index: openFile(t, filepath.Join(t.TempDir(), "index"), l), Registry: l, Governance: c, Network: "dev",
	})
}

func TestGovernanceShowsWhatHoldsAndWhatIsDecided(t *testing.T) {
	c := sitting()
	res, body := get(t, governed(t, c), "/governance")
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	wantWords(t, body,
		"in force 4", "planned version 5 from block 250000 on",
		"default_duration_ms 2 days", "min_duration_ms 1 minute", "max_unfresh_ms 1500 ms", "max_listings 16",
		"allow_debug yes", "registrars "+strings.Repeat("ab", 32), "manufacturers acme",
		"key (signs blocks) "+c.now.Validators[2].Key.String(), "governance key (signs votes) "+publicKey(3).String(), "power 10 of 40",
		"Proposal 3: parameters Open", "power 10 of 40 for it, 10 against", "max_listings: 32, in place of 16", "more registrars per enclave",
		"Proposal 4: policy Passed", "power 30 of 41 for it, 5 against", "allow_debug: no, in place of yes", "manufacturers: none, in place of acme",
		"Proposal 5: version Enacted", "version 5 of the state machine begins at block 250000",
		"Proposal 6: version Rejected", "the planned version is called off",
		"Proposal 7: validators Lapsed", "validator "+publicKey(50).String()+" has power 7", "more than a third of the power may move at once",
		"Proposal 8: validators Void", "validator "+publicKey(52).String()+" goes",
		"for it: "+publicKey(0).String(), "against it: "+publicKey(1).String(), "for it: "+publicKey(99).String()+" no validator’s any more",
		c.all[0].Digest.String(), "closes 22 Nov 2026", "takes effect 23 Nov 2026", "8 in all",
		"attesteer ledger proposals --node http://example.com",
	)
	if strings.Contains(words(body), "default_duration_ms: 2 days") {
		t.Error("a parameter that an open proposal does not change is shown as a change")
	}
	if strings.Index(body, "Proposal 8") > strings.Index(body, "Proposal 3") {
		t.Error("the newest is not the first")
	}
	if strings.Contains(body, "unknown here") {
		t.Error("the planned version is known")
	}
	wantText(t, body, `<script>alert(1)</script> & "quotes"`)
}

func TestAPlannedVersionThatTheNodeDoesNotKnowIsSaidOnThePage(t *testing.T) {
	c := sitting()
	c.unknown = true
	_, body := get(t, governed(t, c), "/governance")
	wantWords(t, body, "unknown here", "it stops before that block")
	c.now.Next, c.unknown = nil, false
	_, body = get(t, governed(t, c), "/governance")
	wantWords(t, body, "planned none")
}

func TestAnEmptyCouncilHasAPageToo(t *testing.T) {
	_, body := get(t, governed(t, &council{}), "/governance")
	wantWords(t, body, "None so far.", "registrars none", "planned none")
}

func TestGovernanceIsThereOnlyWhereThereIsAny(t *testing.T) {
	l, _ := populated()
	h := newPages(t, l, "dev")
	if res, body := get(t, h, "/governance"); res.StatusCode != http.StatusNotFound || strings.Contains(body, `href="/governance"`) {
		t.Error(res.Status)
	}
	if _, body := get(t, governed(t, sitting()), "/"); !strings.Contains(body, `<a href="/governance">Governance</a>`) {
		t.Error("no page leads to it")
	}
	c := &council{broken: errors.New("secret path /var/lib")}
	if res, body := get(t, governed(t, c), "/governance"); res.StatusCode != http.StatusInternalServerError || strings.Contains(body, "secret") {
		t.Errorf("%s: %s", res.Status, body)
	}
}

// TestPagesHaveWhatReadersOfAllKindsNeed looks for what tools for accessibility
// look for first: a language, one heading of the first rank and none left out,
// landmarks with names, names that lead somewhere, pictures with words.
func TestPagesHaveWhatReadersOfAllKindsNeed(t *testing.T) {
	l, named := populated()
	h := explorer.Pages(explorer.PagesConfig{
		Index: openFile(t, filepath.Join(t.TempDir(), "index"), l), Registry: l, Governance: sitting(), Network: "dev",
	})
	for _, path := range []string{"/", "/?q=nothing-of-the-kind", "/enclaves/" + hexOf(named["warned"].ID), "/enclaves/nonsense", "/governance"} {
		_, body := get(t, h, path)
		if !strings.Contains(body, `<html lang="en">`) || strings.Count(body, "<h1") != 1 || strings.Count(body, "<main") != 1 || !strings.Contains(body, `href="#content"`) {
			t.Errorf("%s: no language, not one heading, not one main part or no way to it", path)
		}
		last := byte('0')
		for _, m := range regexp.MustCompile(`<h([1-6])`).FindAllStringSubmatch(body, -1) {
			if rank := m[1][0]; rank > last+1 {
				t.Errorf("%s: a heading of rank %c after one of rank %c", path, rank, last)
			}
			last = m[1][0]
		}
		ids := map[string]bool{}
		for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(body, -1) {
			if ids[m[1]] {
				t.Errorf("%s: the name %q stands twice", path, m[1])
			}
			ids[m[1]] = true
		}
		for _, m := range regexp.MustCompile(`(?:aria-labelledby|aria-describedby|for|href)="(#?)([^"]*)"`).FindAllStringSubmatch(body, -1) {
			if leads := m[1] == "#" || !strings.HasPrefix(m[0], "href"); leads && !ids[m[2]] {
				t.Errorf("%s: %s leads nowhere", path, m[0])
			}
		}
		for _, m := range regexp.MustCompile(`<(?:nav|aside|section)\b[^>]*>`).FindAllString(body, -1) {
			if strings.HasPrefix(m, "<section") || strings.Contains(m, "aria-label") {
				continue
			}
			t.Errorf("%s: %s has no name", path, m)
		}
		for _, m := range regexp.MustCompile(`<(?:img|svg)\b[^>]*>`).FindAllString(body, -1) {
			if !strings.Contains(m, "alt=") && !strings.Contains(m, "aria-hidden") {
				t.Errorf("%s: %s says nothing", path, m)
			}
		}
	}
}

func TestTheGovernancePageIsAsOldAsTheLedgerAndNotAsTheClock(t *testing.T) {
	c := sitting()
	c.all = c.all[:1]
	c.all[0].Opened = record.MillisOf(now.Time().Add(-48 * time.Hour))
	_, body := get(t, governed(t, c), "/governance")
	wantWords(t, body, "(2 days ago)")
}
