// SPDX-License-Identifier: Apache-2.0

package explorer

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// Lister answers listings; an [Index] does.
type Lister interface {
	// List returns the records that match, newest first; see [Index.List].
	List(ctx context.Context, filter record.Filter) (record.Page, error)
}

// Registry is what the pages ask of the ledger's present. It is safe for
// concurrent use.
type Registry interface {
	// Record returns a record, or fails with [rats.NotFound].
	Record(id record.ID) (record.Record, error)
	// History returns the events of a record, oldest first.
	History(id record.ID) ([]record.Event, error)
	// Time is ledger time.
	Time() record.Millis
	// ChainID names the ledger.
	ChainID() string
	// Height is the last block.
	Height() uint64
}

// PagesConfig says what the pages show.
type PagesConfig struct {
	Index    Lister
	Registry Registry
	// Governance is shown on a page of its own; nil is not.
	Governance Governance
	// Network is dev, test or main. On the first two a banner says what the
	// network accepts that a main network refuses.
	Network string
	// Log takes faults of ours; nil takes none.
	Log *slog.Logger
}

// pages serves the web pages.
type pages struct {
	cfg       PagesConfig
	log       *slog.Logger
	templates *template.Template
	assets    assets
}

var _ Lister = (*Index)(nil)

// Pages returns the handler of GET / (the list of enclaves), /enclaves/{id}
// (one of them), /governance (what validators decide on) and /assets/ (what all
// need). Whatever else it is asked for is
// answered by a page that says so.
func Pages(cfg PagesConfig) http.Handler {
	p := &pages{cfg: cfg, log: cfg.Log, assets: loadAssets()}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.templates = loadTemplates(p.assets)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.list)
	mux.HandleFunc("GET /enclaves/{id}", p.enclave)
	mux.Handle("GET /enclaves", http.RedirectHandler("/", http.StatusMovedPermanently))
	if cfg.Governance != nil {
		mux.HandleFunc("GET /governance", p.governance)
	}
	mux.HandleFunc("GET /assets/{name}", p.asset)
	mux.HandleFunc("/", p.unknown)
	return guard(mux)
}

// guard sets the headers that keep a page to itself: it loads what this server
// sends, runs nothing, and stands in no frame.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; "+
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		next.ServeHTTP(w, r)
	})
}

// pageSize is the number of enclaves on one page of the list.
const pageSize = 25

func (p *pages) list(w http.ResponseWriter, r *http.Request) {
	form := r.URL.Query()
	view := p.newListView(form)
	page, err := p.cfg.Index.List(r.Context(), filterOf(form))
	status := http.StatusOK
	switch {
	case errors.Is(err, rats.Malformed):
		status, view.Problem = http.StatusBadRequest, rats.AsError(err).Detail
	case err != nil:
		p.fault(w, r, err)
		return
	default:
		view.fill(page, p.cfg.Registry.Time(), form)
	}
	p.render(w, r, status, "list", view)
}

func (p *pages) enclave(w http.ResponseWriter, r *http.Request) {
	text := r.PathValue("id")
	digits, ok := hexDigits(text)
	if !ok || len(digits) != 2*len(record.ID{}) {
		p.problem(w, r, http.StatusBadRequest, "This is not the id of an enclave",
			"An id is 64 hexadecimal digits. To look for a part of one, or for a url, use the search on the first page.")
		return
	}
	if digits != text {
		http.Redirect(w, r, "/enclaves/"+digits, http.StatusMovedPermanently) //nolint:gosec // 64 hex digits lead nowhere else
		return
	}
	var id record.ID
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil {
		p.fault(w, r, err)
		return
	}
	rec, err := p.cfg.Registry.Record(id)
	if errors.Is(err, rats.NotFound) {
		p.render(w, r, http.StatusNotFound, "problem", &problemView{
			frame: p.frame("No such enclave"), Status: http.StatusNotFound,
			Text: "This ledger holds no record of that id.", Proof: "/v1/enclaves/" + digits + "/proof",
		})
		return
	}
	if err != nil {
		p.fault(w, r, err)
		return
	}
	history, err := p.cfg.Registry.History(id)
	if err != nil {
		p.fault(w, r, err)
		return
	}
	p.render(w, r, http.StatusOK, "enclave", p.newEnclaveView(&rec, history, origin(r)))
}

func (p *pages) unknown(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		p.problem(w, r, http.StatusMethodNotAllowed, "Pages are for reading", "Only GET and HEAD are answered here.")
		return
	}
	p.problem(w, r, http.StatusNotFound, "There is no such page", "The address may be mistyped, or the page may have moved.")
}

// problem answers with a page that says what is wrong.
func (p *pages) problem(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	p.render(w, r, status, "problem", &problemView{frame: p.frame(title), Status: status, Text: text})
}

// fault logs a fault of ours and says no more of it than that.
func (p *pages) fault(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		p.log.ErrorContext(r.Context(), "page", slog.String("path", r.URL.Path), slog.Any("error", err))
	}
	p.problem(w, r, http.StatusInternalServerError, "This page could not be made",
		"The fault is ours and has been noted. Trying again in a moment may help.")
}

// render writes a whole page, or nothing of it.
func (p *pages) render(w http.ResponseWriter, r *http.Request, status int, name string, view any) {
	var body bytes.Buffer
	if err := p.templates.ExecuteTemplate(&body, name, view); err != nil {
		p.log.ErrorContext(r.Context(), "page", slog.String("path", r.URL.Path), slog.Any("error", err))
		http.Error(w, "internal", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(status)
	if _, err := w.Write(body.Bytes()); err != nil {
		p.log.DebugContext(r.Context(), "page not delivered", slog.Any("error", err))
	}
}

// filterOf reads the parameters of the list, which are those of GET /v1/enclaves.
func filterOf(form url.Values) record.Filter {
	return record.Filter{
		Query: form.Get("q"), TEE: form.Get("tee"), Fingerprint: form.Get("fingerprint"),
		MRSigner: form.Get("mr_signer"), Signer: form.Get("signer"), URL: form.Get("url"),
		Status: form.Get("status"), Tier: form.Get("tier"), State: form.Get("state"),
		Registrar: form.Get("registrar"), Cursor: form.Get("cursor"), Limit: pageSize,
	}
}

// origin is the address under which the reader reached this node, for the
// command that the page offers. A host of unusual characters is not repeated:
// the line is made to be pasted into a shell.
func origin(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	for _, c := range r.Host {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-[]", c) {
			return "http://127.0.0.1:2000"
		}
	}
	if r.Host == "" {
		return "http://127.0.0.1:2000"
	}
	if strings.Contains(r.Host, "[") { // some shells take brackets for a pattern
		return "'" + scheme + "://" + r.Host + "'"
	}
	return scheme + "://" + r.Host
}
