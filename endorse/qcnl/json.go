// SPDX-License-Identifier: Apache-2.0

package qcnl

import (
	"fmt"
	"strings"
)

// readJSON reads a file in today's form. What it returns along with a broken
// place is of no use: the library starts again with the other form.
func readJSON(src []byte) (*Config, *broken) {
	c := defaults(JSON)
	root, b := readValue(src)
	if b != nil {
		if strings.HasPrefix(string(src), "\ufeff") {
			b.what = "a byte order mark before the text"
		}
		return c, b
	}
	if root.form != formObject {
		return c, &broken{root.at, "want an object: the library may end the program over anything else"}
	}
	r := jsonReader{c: c, src: src, root: root}
	if b := r.updateType(); b != nil {
		return c, b
	}
	r.urls()
	r.plain()
	r.hours(PCKCacheHours, &c.PCKCacheHours)
	r.hours(CollateralCacheHours, &c.CollateralCacheHours)
	r.custom()
	r.names()
	return c, nil
}

// jsonReader takes options out of an object.
type jsonReader struct {
	c    *Config
	src  []byte
	root value
}

func (r *jsonReader) position(at int) *Position {
	p := positionOf(r.src, at)
	return &p
}

// ignored notes a value of a type that the library passes over in silence.
func (r *jsonReader) ignored(option string, v value, want, stands string) {
	r.c.note(Error, option, r.position(v.at), "is ignored, as it is not %s: %s stands", want, stands)
}

func (r *jsonReader) set(option string, v value) { r.c.Set[option] = *r.position(v.at) }

// updateType comes first: a wrong one spoils the whole file.
func (r *jsonReader) updateType() *broken {
	v, ok := r.root.get(TCBUpdateType)
	if !ok {
		return nil
	}
	text, ok := v.cString()
	if !ok {
		r.ignored(TCBUpdateType, v, "a string", "standard")
		return nil
	}
	text = lower(text)
	if text != "early" && text != "standard" {
		return &broken{v.at, fmt.Sprintf("tcb_update_type is %q, neither standard nor early, which makes the whole file invalid", text)}
	}
	r.c.TCBUpdateType = text
	r.set(TCBUpdateType, v)
	return nil
}

// lower is tolower of the C locale.
func lower(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	}, s)
}

func (r *jsonReader) text(option string, to *string) bool {
	v, ok := r.root.get(option)
	if !ok {
		return false
	}
	text, ok := v.cString()
	if !ok {
		r.ignored(option, v, "a string", orNone(*to))
		return false
	}
	*to = text
	r.set(option, v)
	return true
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (r *jsonReader) urls() {
	r.text(PCCSURL, &r.c.PCCSURL)
	r.c.CollateralService = r.c.PCCSURL
	r.text(CollateralService, &r.c.CollateralService)
	r.text(APIVersion, &r.c.APIVersion)
	r.text(LocalPCKURL, &r.c.LocalPCKURL)
}

func (r *jsonReader) plain() {
	for option, to := range map[string]*bool{UseSecureCert: &r.c.UseSecureCert, LocalCacheOnly: &r.c.LocalCacheOnly} {
		v, ok := r.root.get(option)
		switch {
		case !ok:
		case v.form != formBool:
			r.ignored(option, v, "true or false without quotes", fmt.Sprint(*to))
		default:
			*to = v.yes
			r.set(option, v)
		}
	}
	for option, to := range map[string]*int{RetryTimes: &r.c.RetryTimes, RetryDelay: &r.c.RetryDelay} {
		v, ok := r.root.get(option)
		if !ok {
			continue
		}
		n, ok := v.int32()
		if !ok {
			r.ignored(option, v, "a whole number of 32 bits without quotes", fmt.Sprint(*to))
			continue
		}
		*to = n
		r.set(option, v)
	}
}

func (r *jsonReader) hours(option string, to *float64) {
	v, ok := r.root.get(option)
	if !ok {
		return
	}
	n, ok := v.float()
	if !ok {
		r.ignored(option, v, "a number without quotes", "0")
		return
	}
	r.set(option, v)
	*to = r.c.capped(option, n)
}

// custom reads what goes along with requests for PCK certificates.
func (r *jsonReader) custom() {
	v, ok := r.root.get(CustomRequestOptions)
	if !ok {
		return
	}
	if v.form != formObject {
		r.ignored(CustomRequestOptions, v, "an object", "none")
		return
	}
	r.set(CustomRequestOptions, v)
	for _, m := range v.members {
		if m.name != "get_cert" {
			r.c.note(Warning, CustomRequestOptions, r.position(m.at), "has no %q: only get_cert is looked at", m.name)
		}
	}
	get, ok := v.get("get_cert")
	if !ok {
		return
	}
	if get.form != formObject {
		r.ignored(CustomRequestOptions, get, "an object under get_cert", "none")
		return
	}
	for _, m := range get.members {
		if m.name != "headers" && m.name != "params" {
			r.c.note(Warning, CustomRequestOptions, r.position(m.at), "has no %q under get_cert: only headers and params are looked at", m.name)
		}
	}
	r.c.Headers = r.pairs(get, "headers")
	r.c.Params = r.pairs(get, "params")
}

func (r *jsonReader) pairs(get value, name string) []Pair {
	v, ok := get.get(name)
	if !ok {
		return nil
	}
	if v.form != formObject {
		r.ignored(CustomRequestOptions, v, "an object under "+name, "none")
		return nil
	}
	var out []Pair
	for _, m := range v.members {
		text, ok := m.value.cString()
		if !ok {
			r.ignored(CustomRequestOptions, m.value, "a string under "+name, "none")
			continue
		}
		key, _, _ := strings.Cut(m.name, "\x00")
		out = append(out, Pair{key, text})
	}
	return out
}

// names looks for names that are unknown or given twice.
func (r *jsonReader) names() {
	seen := make(map[string]bool)
	for _, m := range r.root.members {
		known := knownAs(m.name)
		switch {
		case known == "" && m.name == "user_token":
			r.c.note(Warning, "", r.position(m.at), "%q is ignored: the library registers no platforms", m.name)
		case known == "":
			r.c.note(Warning, "", r.position(m.at), "%q is ignored: there is no such option", m.name)
		case known != m.name:
			r.c.note(Error, "", r.position(m.at), "%q is ignored: the option is written %s", m.name, known)
		case seen[m.name]:
			r.c.note(Error, m.name, r.position(m.value.at), "is given twice: the first one counts")
		}
		seen[m.name] = true
	}
}

// knownAs returns the option that a name is meant to be: itself, in other case,
// or with other signs between its words.
func knownAs(name string) string {
	name = bare(name)
	for _, option := range Options() {
		if bare(option) == name {
			return option
		}
	}
	return ""
}

// bare is a name in small letters without what stands between its words.
func bare(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '_' || c == '-' || c == ' ' || c == '.':
			return -1
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		}
		return c
	}, s)
}
