// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"time"

	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/client"
)

// Where a node of one's own listens.
const (
	defaultListen = "127.0.0.1:2000"
	defaultNode   = "http://" + defaultListen
)

// requestTimeout bounds a call to a node; a submission waits for its block.
const requestTimeout = 60 * time.Second

func nodeFlag(fl *pflag.FlagSet, node *string) {
	fl.StringVar(node, "node", defaultNode, "address of a node's API")
	annotate(fl.Lookup("node"), tokenAnnotation, "sent")
}

// dial returns a client of a node. The token came from the environment, since a
// secret on a command line is everybody's.
func (a *app) dial(node string) *client.Client {
	token := a.token
	if token == "" {
		token = "dev"
	}
	return client.New(node, token, &http.Client{Timeout: requestTimeout})
}
