// SPDX-License-Identifier: Apache-2.0

package attesteer

import (
	"slices"

	"github.com/attesteer/attesteer/epid"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
)

// Bounds on evidence in envelopes. The deepest that is known, a JSON document
// around an Open Enclave report in a container of its own, has three; an
// envelope is never longer than what it lies in.
const (
	maxEnvelopes = 4
	// maxEnveloped bounds the bytes of all layers together.
	maxEnveloped = 4 << 20
)

// envelope is one opened layer around evidence.
type envelope struct {
	format rats.Format
	// inner is what lies inside, recognised in its turn: another envelope or a
	// body. Where it is bare it can be a body only.
	inner []byte
	bare  bool
	// holds says which formats may lie inside; nil for any that is recognised.
	holds func(rats.Format) bool

	// claims are custom claims and held is data that the report data are the
	// hash of, nil where the envelope carries none. Neither counts before the
	// bindings hold.
	claims []CustomClaim
	held   []byte
	// buffer is what claims were read from, as it is hashed.
	buffer []byte
	// hashed returns what the report data are the hash of by the envelope's own
	// rule, where that depends on them; nil where it does not.
	hashed func(body) []byte
	// block is the value of the claim that names a block, and rest what the
	// report data would be without that claim.
	block, rest []byte
	// endorsements came along. They vouch for themselves.
	endorsements []rats.Endorsement
	// bindings are the checks that the envelope adds to those of the evidence.
	bindings []binding
}

// binding is a check of what an envelope says against the body inside.
type binding struct {
	name, spec string
	judge      func(body) (note string, err *rats.Error)
}

// opener tells by content whether raw is its kind of envelope, and opens it:
// nil without an error where it is not.
//
// The next envelope plugs in by an opener in the list of openers, in a file of
// its own beside this one: it says in its envelope what lies inside, what came
// along, and which checks bind the two. Evidence without a quote, such as an IAS
// report, plugs in as a [body], by one more case in readBody and recogniseBody.
type opener func(raw []byte) (*envelope, error)

// openers returns every kind of envelope. Their contents begin differently, so
// that the order does not matter.
func openers() []opener {
	return []opener{openCertificate, openReport, openEvidence, openQuoteJSON}
}

// open opens the outermost envelope of raw, nil if there is none.
func open(raw []byte) (*envelope, error) {
	for _, o := range openers() {
		if e, err := o(raw); e != nil || err != nil {
			return e, err
		}
	}
	return nil, nil //nolint:nilnil // no envelope is no error
}

// parsed is evidence taken apart: the envelopes, outermost first, and the body
// that lies inside all of them.
type parsed struct {
	envelopes []*envelope
	body      body
}

// parse recognises and reads evidence.
func (ev Evidence) parse() (*parsed, error) {
	p := &parsed{}
	// What is stated to be a bare quote is not looked into.
	raw, total, bare := ev.Raw, 0, ev.Format.IsQuote()
	for !bare {
		e, err := open(raw)
		if err != nil {
			return nil, err
		}
		if e == nil {
			break
		}
		if total += len(raw); len(p.envelopes) == maxEnvelopes || total > maxEnveloped {
			return nil, rats.Errorf(rats.Malformed, "evidence in more than %d envelopes, or in more than %d bytes of them", maxEnvelopes, maxEnveloped)
		}
		p.envelopes = append(p.envelopes, e)
		raw, bare = e.inner, e.bare
	}
	var err error
	if p.body, err = readBody(raw); err != nil {
		return nil, err
	}
	if err := p.fits(); err != nil {
		return nil, err
	}
	if format := p.format(); ev.Format != "" && ev.Format != format {
		return nil, rats.Errorf(rats.Malformed, "the evidence is %s, not %s", format, ev.Format)
	}
	return p, nil
}

// fits checks that each envelope holds what it may hold.
func (p *parsed) fits() error {
	formats := p.formats()
	for i, e := range p.envelopes {
		if inside := formats[i+1]; e.holds != nil && !e.holds(inside) {
			return rats.Errorf(rats.Malformed, "%s of a kind that does not hold %s", e.format, inside)
		}
	}
	return nil
}

// format is that of the outermost layer.
func (p *parsed) format() rats.Format { return p.formats()[0] }

// formats returns those of all layers, outermost first.
func (p *parsed) formats() []rats.Format {
	out := make([]rats.Format, 0, len(p.envelopes)+1)
	for _, e := range p.envelopes {
		out = append(out, e.format)
	}
	return append(out, p.body.format())
}

// bind runs the checks that the envelopes add.
func (p *parsed) bind() []demand {
	var out []demand
	for _, e := range p.envelopes {
		for _, b := range e.bindings {
			out = append(out, hold(b.name, b.spec, true, func() (string, *rats.Error) { return b.judge(p.body) }))
		}
	}
	return out
}

// contents fills a result with what the envelopes carry, once it is bound.
func (p *parsed) contents(r *Result) {
	for _, e := range p.envelopes {
		r.CustomClaims = append(r.CustomClaims, e.claims...)
		if e.held != nil && r.RuntimeData == nil {
			data := Hex(slices.Clone(e.held))
			r.RuntimeData = &data
		}
		if e.block != nil {
			r.Block, r.SubjectWithoutBlock = slices.Clone(e.block), slices.Clone(e.rest)
		}
	}
}

// CarriedEndorsements returns the endorsements that came inside the envelopes of
// evidence, of which there are often none. Verifying takes no notice of them: a
// caller who wants them counted adds them to the others.
func CarriedEndorsements(ev Evidence) ([]rats.Endorsement, error) {
	p, err := ev.parse()
	if err != nil {
		return nil, err
	}
	var out []rats.Endorsement
	for _, e := range p.envelopes {
		out = append(out, e.endorsements...)
	}
	return out, nil
}

// readBody reads what lies inside all envelopes.
func readBody(raw []byte) (body, error) {
	if epid.Is(raw) {
		return readEPID(raw)
	}
	if !isQuote(raw) {
		_, err := recogniseBody(raw)
		return nil, err
	}
	q, err := quote.ParseShared(raw)
	if err != nil {
		return nil, err
	}
	return quoteBody{q}, nil
}
