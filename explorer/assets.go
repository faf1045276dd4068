// SPDX-License-Identifier: Apache-2.0

package explorer

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets templates
var files embed.FS

// asset is a file that pages refer to.
type asset struct {
	body []byte
	kind string
	etag string
	// hashed: the name changes with the content, so a browser may keep it for good.
	hashed bool
}

// assets are files by the last part of their address. Each is there twice:
// under its own name, and with its digest in it ("style.0123abcd.css"), which
// is the name that pages use.
type assets struct {
	byName map[string]asset
	// address is the path of the hashed form, by the file's own name.
	address map[string]string
}

func loadAssets() assets {
	a := assets{byName: map[string]asset{}, address: map[string]string{}}
	entries, err := files.ReadDir("assets")
	if err != nil {
		panic(err) // embedded: it is there or the program does not build
	}
	for _, entry := range entries {
		name := entry.Name()
		body, err := files.ReadFile(path.Join("assets", name))
		if err != nil {
			panic(err) // embedded
		}
		sum := sha256.Sum256(body)
		digest, ext := hex.EncodeToString(sum[:]), path.Ext(name)
		file := asset{body: body, kind: kindOf(ext), etag: `"` + digest + `"`}
		a.byName[name] = file
		file.hashed = true
		hashed := strings.TrimSuffix(name, ext) + "." + digest[:16] + ext
		a.byName[hashed] = file
		a.address[name] = "/assets/" + hashed
	}
	return a
}

func kindOf(ext string) string {
	switch ext {
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return "application/octet-stream"
	}
}

func (p *pages) asset(w http.ResponseWriter, r *http.Request) {
	file, ok := p.assets.byName[r.PathValue("name")]
	if !ok {
		p.unknown(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.kind)
	h.Set("ETag", file.etag)
	h.Set("Cache-Control", "public, no-cache")
	if file.hashed {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.body))
}

// loadTemplates parses the embedded templates.
func loadTemplates(a assets) *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"asset": func(name string) string { return a.address[name] },
		"hash":  func(digits string) hash { return hash(digits) },
		"parts": parts,
	}).ParseFS(files, "templates/*.html"))
}
