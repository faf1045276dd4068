// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// probeTimeout bounds one probe, below the usual five seconds of who asks.
const probeTimeout = 4 * time.Second

type healthFlags struct {
	node, listen string
	ready        bool
}

func (a *app) healthcheckCommand() *cobra.Command {
	var f healthFlags
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a node whether it is alive, for container engines and scripts",
		Long: `healthcheck asks a node whether its process answers, and with --ready whether it
takes part in its ledger. An image without a shell has nothing else to ask with.

Without --node it asks the node on this machine that listens on --listen, with or
without TLS. It does not look at the certificate then: that names the node's
public address, and nothing secret is sent.

Exit codes: 0 yes, 1 no.`,
		Example: `  attesteer healthcheck
  attesteer healthcheck --ready --node https://attesteer.example`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.healthcheck(cmd.Context(), f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.node, "node", "", "address of the node's API (default: the one on this machine)")
	trustFlags(fl)
	fl.StringVar(&f.listen, "listen", defaultListen, "the address that the node on this machine was given")
	fl.BoolVar(&f.ready, "ready", false, "also demand that the node takes part in its ledger")
	return cmd
}

func (a *app) healthcheck(ctx context.Context, f healthFlags) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	path := "/healthz"
	if f.ready {
		path = "/readyz"
	}
	status, body, err := a.probe(ctx, f, path)
	if err != nil {
		return err
	}
	said := readinessOf(body)
	if a.asJSON {
		out := map[string]any{"healthy": status == http.StatusOK, "status": status}
		if len(said.Reasons) > 0 {
			out["reasons"] = said.Reasons
		}
		if err := a.printJSON(out); err != nil {
			return err
		}
	}
	if status != http.StatusOK {
		return fmt.Errorf("the node answers %s with status %d%s", path, status, said.words())
	}
	if words := said.words(); words != "" {
		a.sayf("warning: the node is %s%s", said.Status, words)
	}
	return nil
}

// probe returns the status and the body with which the node answers.
func (a *app) probe(ctx context.Context, f healthFlags, path string) (int, []byte, error) {
	if f.node != "" {
		return ask(ctx, strings.TrimSuffix(f.node, "/")+path, a.transport())
	}
	host, port, err := net.SplitHostPort(f.listen)
	if err != nil {
		return 0, nil, usagef("--listen %s: %w", f.listen, err)
	}
	if port == "0" {
		return 0, nil, usagef("--listen %s: whoever listens there chose a port of its own; name it with --node", f.listen)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	address := net.JoinHostPort(host, port) + path
	// A server of TLS answers those who speak without it, with a refusal: so the
	// one that is not meant is asked first.
	unchecked := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true} //nolint:gosec // the command's text says why
	status, body, err := ask(ctx, "https://"+address, unchecked)
	var plain tls.RecordHeaderError
	if errors.As(err, &plain) || err != nil && strings.Contains(err.Error(), "HTTP response to HTTPS client") {
		return ask(ctx, "http://"+address, &http.Transport{DisableKeepAlives: true})
	}
	return status, body, err
}

func ask(ctx context.Context, address string, through http.RoundTripper) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, usagef("%w", err)
	}
	request.Close = true
	client := &http.Client{Transport: through, CheckRedirect: staySecure}
	response, err := client.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return 0, nil, fmt.Errorf("%s: %w", address, err)
	}
	defer response.Body.Close() //nolint:errcheck // it is read or it is not
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	return response.StatusCode, body, err
}
