// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// Headers that carry tokens, as Go names them.
const (
	userToken  = "User-Token"
	adminToken = "Admin-Token"
)

// allowed holds a call against tokens. A body that is too large is refused before:
// nobody reads it.
func (c *call) allowed(name string, tokens TokenHashes) bool {
	if c.r.ContentLength > c.cfg.MaxBody {
		c.refuse(refuse(http.StatusRequestEntityTooLarge, rats.TooLarge, "body: over %d bytes", c.cfg.MaxBody))
		return false
	}
	given := c.r.Header[name]
	if len(given) != 1 || !tokens.match(given[0]) {
		c.refuse(refuse(http.StatusUnauthorized, rats.Unauthorized, "%s: no such token", strings.ToLower(name)))
		return false
	}
	return true
}

// maxLeft is how much of a body is read behind the answer to a call that is refused.
const maxLeft = 32 << 20

// answerEarly has an answer go out though the body has not come in yet.
func (c *call) answerEarly() {
	_ = http.NewResponseController(c.w).EnableFullDuplex() // HTTP/2 has it always, and a test's writer not
}

// leave reads what is left of a body that nobody wants, once the answer is out and
// within the bounds of size and time. Clients that read nothing before they have sent
// all, as those in Python on which Intel's tools stand, otherwise see a connection
// that broke, and no answer. Who asked before he sends knows by the answer not to, and
// in HTTP/2 it takes no connection with it.
func (c *call) leave() {
	if c.r.ContentLength == 0 || c.r.ProtoMajor != 1 || c.r.Header.Get("Expect") != "" {
		return
	}
	if http.NewResponseController(c.w).Flush() != nil {
		return // a test's, or nobody is there any more
	}
	defer c.receive()()
	_, _ = io.Copy(io.Discard, io.LimitReader(c.r.Body, maxLeft)) // it counts for nothing; what is left then closes the connection
}

// receive bounds how long a body may take, until the function that it returns is
// called: what is done with it then must not end with that time.
func (c *call) receive() (done func()) {
	control := http.NewResponseController(c.w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime + time.Duration(c.cfg.MaxBody/bodyRate)*time.Second)) // one that knows no deadlines is a test's
	return func() { _ = control.SetReadDeadline(time.Time{}) }
}

// body reads what was sent, within the bounds of size and time.
func (c *call) body() ([]byte, error) {
	defer c.receive()()
	b, err := io.ReadAll(io.LimitReader(c.r.Body, c.cfg.MaxBody+1))
	switch {
	case err != nil:
		return nil, refuse(http.StatusBadRequest, rats.Malformed, "body: it ended early")
	case int64(len(b)) > c.cfg.MaxBody:
		return nil, refuse(http.StatusRequestEntityTooLarge, rats.TooLarge, "body: over %d bytes", c.cfg.MaxBody)
	}
	return b, nil
}

// register is POST platforms.
func (c *call) register() {
	if !c.allowed(userToken, c.cfg.User) {
		return
	}
	update := store.Standard
	if c.query.has(paramUpdate) {
		update = strings.ToLower(c.query.get(paramUpdate))
	}
	if !slices.Contains([]string{UpdateStandard, UpdateEarly, UpdateAll}, update) {
		c.refuse(bad("update", "standard, early or all is needed"))
		return
	}
	b, err := c.body()
	if err != nil {
		c.refuse(err)
		return
	}
	registration, err := readRegistration(b)
	if err != nil {
		c.refuse(err)
		return
	}
	registration.Version = c.route.version
	c.allow(readTime + answerTime)
	if err := c.service.Register(c.r.Context(), registration, update); err != nil {
		c.refuse(err)
		return
	}
	c.held.forget()
	c.say(http.StatusOK)
}

// readRegistration reads what a platform says of itself. What it sends beside a
// manifest says nothing: Intel's service goes by the manifest alone.
func readRegistration(b []byte) (Registration, error) {
	var out Registration
	sent, err := members(b)
	if err != nil {
		return out, err
	}
	texts := make(map[string]string)
	for _, name := range []string{"qe_id", "pce_id", "cpu_svn", "pce_svn", "enc_ppid", "platform_manifest"} {
		text, err := textOf(sent, name)
		if err != nil {
			return out, err
		}
		texts[name] = text
	}
	if !isQEID(texts["qe_id"]) {
		return out, bad("qe_id", "1 to 260 characters are needed")
	}
	if !isHex(texts["pce_id"], pceIDDigits) {
		return out, bad("pce_id", "4 hex digits are needed")
	}
	out.QEID, out.PCEID = strings.ToUpper(texts["qe_id"]), strings.ToUpper(texts["pce_id"])
	manifest := texts["platform_manifest"]
	for name, digits := range map[string]int{"cpu_svn": cpuSVNDigits, "pce_svn": pceSVNDigits, "enc_ppid": encryptedPPIDDigits} {
		if text := texts[name]; !isHex(text, digits) && (manifest == "" || text != "") {
			return out, bad(name, strconv.Itoa(digits)+" hex digits are needed")
		}
	}
	if manifest != "" {
		if out.Manifest, err = hex.DecodeString(manifest); err != nil {
			return out, bad("platform_manifest", "hex digits are needed")
		}
		return out, nil
	}
	out.CPUSVN, out.PCESVN = strings.ToUpper(texts["cpu_svn"]), strings.ToUpper(texts["pce_svn"])
	out.EncryptedPPID, err = hex.DecodeString(texts["enc_ppid"])
	return out, err
}

// members returns the members of a JSON object, whose names are told apart by case.
func members(b []byte) (map[string]json.RawMessage, error) {
	var out map[string]json.RawMessage
	// A byte order mark, which some editors put first, is none of JSON's.
	if err := json.Unmarshal(bytes.TrimPrefix(b, []byte("\ufeff")), &out); err != nil || out == nil {
		return nil, refuse(http.StatusBadRequest, rats.Malformed, "body: a JSON object is needed")
	}
	return out, nil
}

// textOf returns a member that is a string; empty for one that is null or absent.
func textOf(sent map[string]json.RawMessage, name string) (string, error) {
	var text string
	if value, ok := sent[name]; ok && json.Unmarshal(value, &text) != nil {
		return "", bad(name, "a string is needed")
	}
	return text, nil
}
