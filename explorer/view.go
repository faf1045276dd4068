// SPDX-License-Identifier: Apache-2.0

package explorer

import (
	"encoding/hex"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// frame is what every page carries around its content.
type frame struct {
	Title  string
	Banner string
	Chain  string
	Height uint64
	Time   stamp
	// Governs: there is a page of what validators decide on.
	Governs bool
}

func (p *pages) frame(title string) frame {
	now := p.cfg.Registry.Time()
	return frame{
		Title: title, Banner: networkBanner(p.cfg.Network),
		Chain: p.cfg.Registry.ChainID(), Height: p.cfg.Registry.Height(), Time: newStamp(now, now),
		Governs: p.cfg.Governance != nil,
	}
}

// problemView is a page that says why there is no other.
type problemView struct {
	frame
	Status int
	Text   string
	// Proof is the address of a proof of what the page says, if there is one.
	Proof string
}

// hash is a value in hex, always shown whole.
type hash string

func hashOf(b []byte) hash { return hash(hex.EncodeToString(b)) }

// Chunks cuts the value into groups of eight digits, which the eye can compare.
// A value of up to sixteen is read at a glance and stays in one piece.
func (h hash) Chunks() []string {
	if len(h) <= 16 {
		return []string{string(h)}
	}
	var out []string
	for part := range slices.Chunk([]byte(h), 8) {
		out = append(out, string(part))
	}
	return out
}

// link is a URL on record. Href is empty where it is not safe to follow.
type link struct {
	Text string
	Href string
}

// bareHost is a host with or without port and path, as registrars write it.
var bareHost = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+(:[0-9]{1,5})?(/[^\s]*)?$`)

// newLink decides whether a URL that a stranger wrote may be followed: http and
// https may, and a bare host, which is taken for https. A user name before the
// host may not: it makes one host look like another.
func newLink(text string) link {
	target := text
	if bareHost.MatchString(text) {
		target = "https://" + text
	}
	u, err := url.Parse(target)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil {
		return link{Text: text}
	}
	return link{Text: text, Href: u.String()}
}

// option is one choice of a select.
type option struct {
	Value, Label string
	Selected     bool
}

func options[W ~string](words []W, chosen string) []option {
	out := make([]option, 0, len(words))
	for _, w := range words {
		out = append(out, option{string(w), string(w), strings.EqualFold(string(w), strings.TrimSpace(chosen))})
	}
	return out
}

// narrowing is a filter that came with a link and not from the form.
type narrowing struct {
	Name, Label, Value string
	// Without is the address of the same list without this filter.
	Without string
}

// row is an enclave in the list.
type row struct {
	ID              string
	Verdict         verdict
	TEE             rats.TEE
	Fingerprint     hash
	FingerprintName string
	URL             link
	Build           rats.BuildMode
	Debug           bool
	Simulated       bool
	// Tagged: simulated, and the verdict does not say so already.
	Tagged    bool
	Status    rats.TCBStatus
	Registrar hash
	Attested  stamp
	Expires   stamp
}

// listView is the first page.
type listView struct {
	frame
	Query         string
	TEEs          []option
	Statuses      []option
	States        []option
	Narrowed      []narrowing
	Searching     bool
	Rows          []row
	First, Next   string
	Problem       string
	EnclavesByAPI string
}

// narrowings are the filters that links set, in the order in which they show.
var narrowings = [...]struct{ name, label string }{
	{"fingerprint", "fingerprint"},
	{"mr_signer", "vendor"},
	{"signer", "signer"},
	{"registrar", "registrar"},
	{"url", "url"},
	{"tier", "tier"},
}

func (p *pages) newListView(form url.Values) *listView {
	v := &listView{
		frame: p.frame("Enclaves"), Query: form.Get("q"),
		TEEs:     options(knownTEEs(), form.Get("tee")),
		Statuses: options(rats.TCBStatuses(), form.Get("status")),
		States:   options(knownStates(), form.Get("state")),
	}
	for _, n := range narrowings {
		if value := form.Get(n.name); value != "" {
			v.Narrowed = append(v.Narrowed, narrowing{n.name, n.label, value, address(form, n.name, "")})
		}
	}
	v.Searching = address(form, "cursor", "") != "/"
	v.EnclavesByAPI = "/v1/enclaves" + strings.TrimPrefix(address(form, "cursor", form.Get("cursor")), "/")
	return v
}

// fill adds a page of records.
func (v *listView) fill(page record.Page, at record.Millis, form url.Values) {
	for i := range page.Records {
		v.Rows = append(v.Rows, newRow(&page.Records[i], at))
	}
	if form.Get("cursor") != "" {
		v.First = address(form, "cursor", "")
	}
	if page.NextCursor != "" {
		v.Next = address(form, "cursor", page.NextCursor)
	}
}

// address is the list with the filters of form, one of them set anew. Another
// filter makes another list, so it starts on its first page.
func address(form url.Values, name, value string) string {
	out := url.Values{}
	for _, key := range []string{"q", "tee", "status", "state", "fingerprint", "mr_signer", "signer", "registrar", "url", "tier"} {
		if text := form.Get(key); text != "" {
			out.Set(key, text)
		}
	}
	out.Del(name)
	if value != "" {
		out.Set(name, value)
	}
	if len(out) == 0 {
		return "/"
	}
	return "/?" + out.Encode()
}

func newRow(r *record.Record, at record.Millis) row {
	out := row{
		ID: hex.EncodeToString(r.ID[:]), Verdict: judge(r, at), TEE: r.TEE,
		Fingerprint: hashOf(r.Fingerprint), FingerprintName: fingerprintName(r.TEE),
		Build: r.BuildMode, Debug: r.BuildMode == rats.Debug, Simulated: r.TrustRoot == rats.SimulatedRoot,
		Status: r.Status, Attested: newStamp(r.LastAttested, at), Expires: newStamp(r.Expires, at),
	}
	out.Tagged = out.Simulated && out.Verdict.Word != simulatedWord
	if top := r.TopListing(at); top != nil {
		out.Registrar, out.URL = hashOf(top.Registrar[:]), newLink(top.URL)
	}
	return out
}
