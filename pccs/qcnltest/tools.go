// SPDX-License-Identifier: Apache-2.0

package qcnltest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// PlatformBody returns what PCKIDRetrievalTool posts about a platform, with its
// order of keys and its blanks.
func PlatformBody(p PCK, manifest []byte) string {
	field := func(name, value string) string { return `"` + name + `": "` + value + `"` }
	return "{" + strings.Join([]string{
		field("enc_ppid", upper(p.EncryptedPPID)), field("pce_id", upper(little(p.PCEID))),
		field("cpu_svn", upper(p.CPUSVN[:])), field("pce_svn", upper(little(p.PCESVN))),
		field("qe_id", upper(p.QEID)), field("platform_manifest", upper(manifest)),
	}, " ,") + "}"
}

// PlatformIDBody returns what it posts about a platform of several packages, of
// which it knows only the name.
func PlatformIDBody(id []byte, pceID uint16, manifest []byte) string {
	return `{"pce_id": "` + upper(little(pceID)) + `" ,"qe_id": "` + upper(id) + `" ,"platform_manifest": "` + upper(manifest) + `"}`
}

// Register posts a platform as PCKIDRetrievalTool does, and returns the status,
// which is all that it looks at.
func (c *Client) Register(ctx context.Context, token, update, body string) (int, error) {
	address := c.conf.PCCSURL + "platforms"
	if update != "" {
		address += "?update=" + update
	}
	status, _, _, err := c.Call(ctx, http.MethodPost, address, map[string]string{
		"Content-Type": "application/json", "user-token": token,
	}, []byte(body))
	return status, err
}

// Admin asks as pccsadmin does: get, put, refresh and their like, with the token
// in a header, and a body of JSON where there is one.
func (c *Client) Admin(ctx context.Context, method, path, token string, body []byte) (int, http.Header, []byte, error) {
	return c.Call(ctx, method, c.conf.PCCSURL+path, map[string]string{
		"admin-token": token, "Content-Type": "application/json", "User-Agent": "python-requests/2.32.3",
		"Accept-Encoding": "gzip, deflate", "Accept": "*/*",
	}, body)
}

// RefreshPath returns the path by which pccsadmin has certificates fetched anew:
// "all", one FMSPC, or several with commas between them.
func RefreshPath(fmspcs string) string {
	if fmspcs == "" {
		return "refresh"
	}
	return "refresh?type=certs&fmspc=" + url.QueryEscape(strings.TrimPrefix(fmspcs, "all"))
}

// Call makes one request, and returns all that came back.
func (c *Client) Call(ctx context.Context, method, address string, headers map[string]string, body []byte) (int, http.Header, []byte, error) {
	c.Asked = append(c.Asked, address)
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	for name, value := range headers {
		request.Header[name] = []string{value} // the case is the tools' own
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return 0, nil, nil, err
	}
	defer answer.Body.Close() //nolint:errcheck // it is read or it is not
	got, err := io.ReadAll(answer.Body)
	return answer.StatusCode, answer.Header, got, err
}
