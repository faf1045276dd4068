// SPDX-License-Identifier: Apache-2.0

package explorer

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// Sizes of a page of a listing, in records.
const (
	defaultLimit = 50
	maxLimit     = 200
)

// Longest texts that a filter takes, in bytes.
const (
	maxQuery = 512
	maxHex   = 256
)

// query is a filter, ready to run.
type query struct {
	// nothing: no record can match, so none is looked for.
	nothing bool
	limit   int
	// place is what its cursors are good for.
	place [sha256.Size]byte
	args  []any
	where []string
	// byRegistrar: the listing is driven by the listings of one registrar,
	// which may be nearly all of them or nearly none.
	byRegistrar bool
}

// sql selects the records, newest first, and one more than the page holds.
func (q *query) sql() string {
	text, order := `SELECT r.body FROM explorer_record r`, `r.sequence`
	if q.byRegistrar {
		text, order = `SELECT r.body FROM explorer_listing l JOIN explorer_record r ON r.sequence = l.record`, `l.record`
	}
	if len(q.where) > 0 {
		text += ` WHERE ` + strings.Join(q.where, ` AND `)
	}
	return text + ` ORDER BY ` + order + ` DESC LIMIT ` + strconv.Itoa(q.limit+1)
}

// arg adds an argument and returns its placeholder. Both databases take $1.
func (q *query) arg(v any) string {
	q.args = append(q.args, v)
	return `$` + strconv.Itoa(len(q.args))
}

func (q *query) equal(column, value string) {
	if value != "" {
		q.where = append(q.where, column+` = `+q.arg(value))
	}
}

// compile reads a filter. States are those at ledger time at.
func compile(f record.Filter, chain string, at record.Millis) (*query, error) {
	q := &query{limit: f.Limit, place: placeOf(chain, f)}
	if q.limit == 0 {
		q.limit = defaultLimit
	}
	if q.limit < 1 || q.limit > maxLimit {
		return nil, rats.Errorf(rats.Malformed, "limit: want 1 to %d", maxLimit)
	}
	for _, step := range []func() error{
		func() error { return q.words(f) },
		func() error { return q.hashes(f) },
		func() error { return q.state(f.State, at) },
		func() error { return q.url(f.URL) },
		func() error { return q.text(f.Query) },
		func() error { return q.after(f) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// words adds the fields that take one of a closed list of words.
func (q *query) words(f record.Filter) error {
	tee, err := oneOf("tee", f.TEE, knownTEEs())
	if err != nil {
		return err
	}
	status, err := oneOf("status", f.Status, rats.TCBStatuses())
	if err != nil {
		return err
	}
	tier, err := oneOf("tier", f.Tier, knownTiers())
	if err != nil {
		return err
	}
	q.equal(`r.tee`, tee)
	q.equal(`r.status`, status)
	q.equal(`r.tier`, tier)
	return nil
}

// hashes adds the fields that take hex of a whole value.
func (q *query) hashes(f record.Filter) error {
	for _, field := range []struct{ name, value, column string }{
		{"fingerprint", f.Fingerprint, `r.fingerprint`},
		{"mr_signer", f.MRSigner, `r.mr_signer`},
		{"signer", f.Signer, `r.signer`},
		{"registrar", f.Registrar, `l.registrar`},
	} {
		if strings.TrimSpace(field.value) == "" {
			continue
		}
		digits, ok := hexDigits(field.value)
		if !ok || len(digits)%2 != 0 || len(digits) > maxHex {
			return rats.Errorf(rats.Malformed, "%s: want whole bytes in hex", field.name)
		}
		q.equal(field.column, digits)
		q.byRegistrar = q.byRegistrar || field.name == "registrar"
	}
	return nil
}

// state adds the state: what [record.Record.StateAt] says, in SQL, but for data
// that lapse. Whether those that a record rests on still hold the index cannot
// know, for they are refreshed without a record being written; that they lapsed
// the ledger's next block says by an event.
func (q *query) state(word string, at record.Millis) error {
	state, err := oneOf("state", word, knownStates())
	if err != nil || state == "" {
		return err
	}
	is := `r.state = ` + q.arg(state)
	switch record.State(state) {
	case record.Withdrawn, record.Revoked: // they stay so
	case record.Active, record.Undecided:
		is += ` AND r.expires > ` + q.arg(int64(at))
	case record.Expired:
		const alive = `r.state IN ('` + string(record.Active) + `', '` + string(record.Undecided) + `')`
		is += ` OR (` + alive + ` AND r.expires <= ` + q.arg(int64(at)) + `)`
	}
	q.where = append(q.where, `(`+is+`)`)
	return nil
}

// url adds a URL that any listing of the record carries, as a whole.
func (q *query) url(text string) error {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
	case len(text) > record.MaxURL:
		return rats.Errorf(rats.Malformed, "url: longer than %d bytes", record.MaxURL)
	case !printable(text):
		q.nothing = true
	default:
		q.where = append(q.where, `r.sequence IN (SELECT record FROM explorer_listing WHERE url = `+q.arg(fold(text))+`)`)
	}
	return nil
}

// text adds the free text: the start of something in hex, or a part of a URL.
func (q *query) text(text string) error {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	if len(text) > maxQuery {
		return rats.Errorf(rats.Malformed, "q: longer than %d bytes", maxQuery)
	}
	var found []string
	if digits, ok := hexDigits(text); ok {
		// 'g' sorts behind every digit, in every collation.
		from, to := q.arg(digits), q.arg(digits+"g")
		for _, column := range []string{`id`, `fingerprint`, `mr_signer`, `signer`} {
			found = append(found, `SELECT sequence FROM explorer_record WHERE `+column+` >= `+from+` AND `+column+` < `+to)
		}
		found = append(found, `SELECT record FROM explorer_listing WHERE registrar >= `+from+` AND registrar < `+to)
	}
	if printable(text) {
		literal := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(fold(text))
		found = append(found, `SELECT record FROM explorer_listing WHERE url LIKE `+q.arg(`%`+literal+`%`)+` ESCAPE '\'`)
	}
	if found == nil { // no URL holds anything but printable ASCII
		q.nothing = true
		return nil
	}
	q.where = append(q.where, `r.sequence IN (`+strings.Join(found, ` UNION `)+`)`)
	return nil
}

// after adds the place where the page before ended.
func (q *query) after(f record.Filter) error {
	if f.Cursor == "" {
		return nil
	}
	sequence, err := parseCursor(q.place, f.Cursor)
	if err != nil {
		return err
	}
	column := `r.sequence`
	if q.byRegistrar {
		column = `l.record`
	}
	q.where = append(q.where, column+` < `+q.arg(int64(sequence))) //nolint:gosec // parseCursor bounds it
	return nil
}

// cursorSum is the size in bytes of a cursor's checksum.
const cursorSum = 8

// placeOf names the listing of a ledger under a filter, whatever the size of its
// pages, so that a cursor leads on in the listing that it came from and in no
// other. How a value is spelled makes no other listing.
func placeOf(chain string, f record.Filter) (place [sha256.Size]byte) {
	h := sha256.New()
	h.Write(fmt.Appendf(nil, "attesteer/cursor/v2\x00%s\x00", chain))
	for _, value := range []string{
		f.Query, f.TEE, f.Fingerprint, f.MRSigner, f.Signer, f.URL, f.Status, f.Tier, f.State, f.Registrar,
	} {
		value = strings.Join(strings.FieldsFunc(fold(value), unicode.IsSpace), "")
		value = strings.TrimPrefix(value, "0x")
		h.Write(fmt.Appendf(nil, "%d:%s", len(value), value))
	}
	h.Sum(place[:0])
	return place
}

// cursor names a place in a listing: the sequence of the last record shown, which
// is that of the event that created it and never changes. So what is recorded
// between two pages stands before the first of them, and what changes stays where
// it is. A checksum tells a mistyped cursor, and one of another ledger or filter,
// from one that was handed out; it keeps no secret, for there is none to keep.
func cursor(place [sha256.Size]byte, sequence uint64) string {
	b := binary.BigEndian.AppendUint64(nil, sequence)
	sum := sha256.Sum256(append(place[:], b...))
	return base64.RawURLEncoding.EncodeToString(append(b, sum[:cursorSum]...))
}

func parseCursor(place [sha256.Size]byte, text string) (uint64, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != 8+cursorSum {
		return 0, rats.Errorf(rats.Malformed, "cursor: not one that was handed out")
	}
	sequence := binary.BigEndian.Uint64(b)
	if sequence > math.MaxInt64 || cursor(place, sequence) != text {
		return 0, rats.Errorf(rats.Malformed, "cursor: not one that was handed out for this ledger and these filters")
	}
	return sequence, nil
}

// oneOf returns the word of the list that text spells in any case, and "" for none.
func oneOf[W ~string](field, text string, words []W) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", nil
	}
	for _, w := range words {
		if strings.EqualFold(string(w), text) {
			return string(w), nil
		}
	}
	names := make([]string, len(words))
	for i, w := range words {
		names[i] = string(w)
	}
	return "", rats.Errorf(rats.Malformed, "%s: want one of %s", field, strings.Join(names, ", "))
}

// hexDigits returns text in lower case without white space and without a 0x
// before it, and whether that is hex, of even length or odd.
func hexDigits(text string) (string, bool) {
	digits := strings.ToLower(strings.Join(strings.FieldsFunc(text, unicode.IsSpace), ""))
	digits = strings.TrimPrefix(digits, "0x")
	if digits == "" {
		return "", false
	}
	even := digits + "0"[:len(digits)%2]
	_, err := hex.DecodeString(even)
	return digits, err == nil
}

// printable reports whether text is printable ASCII, as every URL on record is.
func printable(text string) bool {
	for i := range len(text) {
		if text[i] < 0x20 || text[i] > 0x7e {
			return false
		}
	}
	return true
}

func knownTEEs() []rats.TEE {
	return []rats.TEE{rats.SGX, rats.TDX, rats.EPID, rats.SNP, rats.Nitro, rats.Keystone, rats.Sanctum, rats.CCA}
}

func knownTiers() []rats.Tier {
	return []rats.Tier{rats.Affirming, rats.Warning, rats.Contraindicated, rats.TierNone}
}

func knownStates() []record.State {
	return []record.State{record.Active, record.Expired, record.Undecided, record.Withdrawn, record.Revoked}
}
