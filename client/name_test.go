// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/client"
)

// TestErrorsDoNotRepeatWhatAnAddressMayKeepSecret: they go to logs.
func TestErrorsDoNotRepeatWhatAnAddressMayKeepSecret(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	host := strings.TrimPrefix(closed.URL, "http://")
	for _, address := range []string{"http://whose:secret@" + host, "http://" + host + "/?word=secret", "http://" + host + "/#secret", "http://whose:secret@[" + host} {
		c := client.New(address, "", nil)
		_, err := c.Ledger(t.Context())
		var network *url.Error
		if !errors.As(err, &network) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "whose") {
			t.Errorf("%s: %v", address, err)
		}
		for _, err := range c.Events(t.Context(), client.Follow{}) {
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("events of %s: %v", address, err)
			}
		}
	}
}
