// SPDX-License-Identifier: Apache-2.0

package pcstest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
)

// AzureVM is a cache as Azure's virtual machines see it: below a path of its own,
// for those alone who say that they know what they ask, and in which version; and
// with PCK certificates in JSON, headers among its members.
func AzureVM(p *PCS) http.Handler {
	p.PCCS = true
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.Path, "/metadata/THIM/")
		switch {
		case !ok:
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("Metadata") != "true", r.URL.Query().Get("api-version") == "":
			w.WriteHeader(http.StatusBadRequest)
		default:
			r.URL.Path = "/" + rest
			thim(p, w, r)
		}
	})
}

// thim has a cache answer, and puts a PCK certificate into JSON.
func thim(p *PCS, w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/pckcert") {
		p.ServeHTTP(w, r)
		return
	}
	got := httptest.NewRecorder()
	p.ServeHTTP(got, r)
	if got.Code != http.StatusOK {
		w.WriteHeader(got.Code)
		return
	}
	header := func(want string) string {
		for name, values := range got.Header() { // names are as a cache writes them
			if strings.EqualFold(name, want) {
				return values[0]
			}
		}
		return ""
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{
		"pckCert": got.Body.String(), "sgx-Tcbm": header("SGX-TCBm"),
		"sgx-Pck-Certificate-Issuer-Chain": header("SGX-PCK-Certificate-Issuer-Chain"),
	})
}

// AtHost answers for one host alone, as a cloud's front does.
func AtHost(host string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host {
			w.WriteHeader(http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
