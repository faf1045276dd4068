// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// ledgerUpstream returns the ledger of a node as an upstream. Which roots count
// the service says that asks it; certificates of both serve to complete chains.
// Reading takes no token, so none goes there.
func (a *app) ledgerUpstream(node string, unsafe bool) (pccs.Upstream, error) {
	if err := nodeAddress(node, unsafe); err != nil {
		return nil, err
	}
	roots, err := rootCertificates(true)
	if err != nil {
		return nil, err
	}
	caller := client.New(node, "", &http.Client{
		Timeout: requestTimeout, Transport: a.transport(), CheckRedirect: staySecure,
	})
	return pccs.NewLedger(pccs.LedgerConfig{Node: caller, RootCertificates: roots}), nil
}

// openPusher returns what publishes on the ledger behind a node, or nil for no
// node.
func (a *app) openPusher(node string, unsafe bool, kept *store.Store, logger *slog.Logger) (*pccs.Pusher, error) {
	if node == "" {
		return nil, nil //nolint:nilnil // nothing is to be published
	}
	if err := nodeAddress(node, unsafe); err != nil {
		return nil, usagef("--push-to %s: %s", withoutUser(node), rats.AsError(err).Detail)
	}
	return pccs.NewPusher(pccs.PusherConfig{Node: a.dial(node), Store: kept, Log: logger}), nil
}

// nodeAddress checks that a text can be the address of a node. Over plain http a
// stranger could hold back what is new.
func nodeAddress(node string, unsafe bool) error {
	u, err := url.Parse(node)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return rats.Errorf(rats.Malformed, "a node has an address such as https://node.example:2000")
	}
	if u.Scheme == "http" && !unsafe && u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback() {
		return rats.Errorf(rats.Malformed, "plain http is for this machine alone")
	}
	return nil
}

// push publishes what the cache fetches, if anything is to be published, until
// ctx is done.
func (c *cache) push(ctx context.Context, logger *slog.Logger) {
	if c.pusher == nil {
		return
	}
	if err := c.pusher.Run(ctx); err != nil && ctx.Err() == nil {
		logger.LogAttrs(ctx, slog.LevelError, "nothing is published on the ledger any more", slog.Any("error", err))
	}
}
