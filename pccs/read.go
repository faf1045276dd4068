// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// reading is an endpoint that QCNL, or another verifier's client, reads.
type reading struct {
	// tdx: it is there for TDX too. since4: it is not there in version 3.
	tdx, since4 bool
	// args checks the parameters, and returns those that the answer depends on,
	// in one canonical form.
	args func(c *call) ([4]string, error)
	// make makes the answer.
	make func(ctx context.Context, c *call, args [4]string) (*answer, error)
}

// reads returns every such endpoint by its path below the API's, in lower case.
func reads() map[string]*reading {
	return map[string]*reading{
		"pckcert":                  {args: pckArgs, make: pckAnswer},
		"pckcrl":                   {args: crlArgs, make: pckCRLAnswer},
		"tcb":                      {tdx: true, args: tcbArgs, make: signedJSON(store.TCBInfo, tcbHeader)},
		"qe/identity":              {tdx: true, args: updateArgs, make: signedJSON(store.QEIdentity, identityHeader)},
		"qve/identity":             {args: updateArgs, make: signedJSON(store.QVEIdentity, identityHeader)},
		"qae/identity":             {since4: true, args: updateArgs, make: signedJSON(store.QAEIdentity, identityHeader)},
		"rootcacrl":                {args: noArgs, make: rootCRLAnswer},
		"crl":                      {args: uriArgs, make: anyCRLAnswer},
		"tcbevaluationdatanumbers": {tdx: true, since4: true, args: noArgs, make: signedJSON(store.EvaluationNumbers, numbersHeader)},
		"fmspcs":                   {since4: true, args: fmspcsArgs, make: signedJSON(store.FMSPCs, noHeader)},
		"appraisalpolicy":          {args: fmspcArgs, make: policyAnswer},
	}
}

// read answers from memory, or else has the answer made.
func (c *call) read(rd *reading) {
	args, err := rd.args(c)
	if err != nil {
		c.refuse(err)
		return
	}
	what := ask{c.route, args}
	a := c.held.get(what, c.now())
	if a != nil {
		c.counts.held[c.route.number].Add(1)
	} else {
		c.counts.made[c.route.number].Add(1)
		if a, err = c.made(rd, what); err != nil {
			c.refuse(err)
			return
		}
	}
	c.counts.add(c.route, http.StatusOK)
	if a.stale {
		c.counts.stale.Add(1)
	}
	a.write(c.w, c.r, c.id)
}

// made asks the service, and keeps what it answers.
func (c *call) made(rd *reading, what ask) (*answer, error) {
	select {
	case c.misses <- struct{}{}:
		defer func() { <-c.misses }()
	default:
		return nil, refuse(http.StatusServiceUnavailable, rats.EndorsementUnavailable, "%d reads wait already", cap(c.misses))
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), readTime)
	defer cancel()
	c.allow(readTime + answerTime)
	epoch := c.held.now()
	a, err := rd.make(ctx, c, what.args)
	if err != nil {
		return nil, err
	}
	c.held.put(what, a, epoch)
	c.allow(answerTime)
	return a, nil
}

// allow gives the answer so much time from now.
func (c *call) allow(d time.Duration) {
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(d)) // one that knows no deadlines is a test's
}

// newAnswer returns an answer of body, and of headers in pairs of name and value;
// those without a value are left out.
func newAnswer(contentType string, body []byte, pairs ...string) *answer {
	sum := sha256.Sum256(body)
	a := &answer{body: body, etag: `"` + hex.EncodeToString(sum[:16]) + `"`}
	a.add("Content-Type", contentType)
	a.add("Content-Length", strconv.Itoa(len(body)))
	a.add("ETag", a.etag)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			a.add(pairs[i], pairs[i+1])
		}
	}
	return a
}

func (a *answer) add(name, value string) {
	a.headers = append(a.headers, header{name, []string{value}})
}

// remake is after how long an answer that is stale is made anew: meanwhile
// somebody may have had it renewed.
const remake = time.Minute

// ofArtefact returns the answer that body, which is a's in some form, makes, with
// how long it holds.
func (c *call) ofArtefact(a *store.Artefact, contentType string, body []byte, chainHeader string) *answer {
	out := newAnswer(contentType, body, chainHeader, c.chains.escaped(a.Chain))
	if a.NextUpdate.IsZero() {
		return out
	}
	end := a.NextUpdate.UTC().Format(time.RFC3339)
	out.add(HeaderNextUpdate, end)
	now := c.now()
	if out.until = a.NextUpdate; now.Before(a.NextUpdate) {
		return out
	}
	out.stale, out.until = true, now.Add(remake)
	out.add(HeaderStale, end)
	if c.stales.due(a.Key, now) {
		c.log.LogAttrs(c.r.Context(), slog.LevelWarn, "what is stale is served: its issuer has promised a later one",
			slog.String("artefact", a.Key.String()), slog.Time("next_update", a.NextUpdate.UTC()))
	}
	return out
}

// sayEvery is how often the log says of one artefact that it is stale.
const sayEvery = time.Hour

// stales remembers when the log last said so.
type stales struct {
	mu   sync.Mutex // guards what follows
	said map[store.Key]time.Time
}

func (s *stales) due(key store.Key, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.said[key]; ok && now.Sub(last) < sayEvery {
		return false
	}
	if s.said == nil {
		s.said = make(map[store.Key]time.Time)
	}
	s.said[key] = now
	return true
}

// chains holds issuer chains as they stand in headers: there are few, and many
// answers have the same.
type chains struct {
	mu    sync.Mutex // guards what follows
	texts map[string]string
}

// maxChains bounds them; beyond, they are not shared.
const maxChains = 64

func (c *chains) escaped(chain []byte) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, ok := c.texts[string(chain)]
	if ok {
		return text
	}
	text = escapeComponent(string(chain))
	if c.texts == nil {
		c.texts = make(map[string]string)
	}
	if len(c.texts) < maxChains {
		c.texts[string(chain)] = text
	}
	return text
}
