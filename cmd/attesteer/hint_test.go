// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
)

// TestAHintSaysWhatIsWrongWithAToken: one that is good, and not for this, is not
// helped by setting it.
func TestAHintSaysWhatIsWrongWithAToken(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusUnauthorized: "set ATTESTEER_TOKEN",
		http.StatusForbidden:    "not for this",
		http.StatusConflict:     "",
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			kind := rats.Unauthorized
			if status == http.StatusConflict {
				kind = rats.Replayed
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"kind":"`+kind.String()+`","status":`+strconv.Itoa(status)+`}`)
		}))
		_, err := client.New(s.URL, "word", nil).Get(t.Context(), "ab")
		s.Close()
		var h hinted
		if got := new(app).nodeError(s.URL, err); errors.As(got, &h) != (want != "") || !strings.Contains(h.hint, want) {
			t.Errorf("%d: %v, hint %q", status, got, h.hint)
		}
	}
}
