// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"time"

	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/client"
)

// defaultNode is where a node of one's own listens.
const defaultNode = "http://127.0.0.1:2000"

// requestTimeout bounds a call to a node; a submission waits for its block.
const requestTimeout = 60 * time.Second

func nodeFlag(fl *pflag.FlagSet, node *string) {
	fl.StringVar(node, "node", defaultNode, "address of a node's API")
}

// dial returns a client of a node. The token comes from the environment, since
// a secret on a command line is everybody's.
func (a *app) dial(node string) *client.Client {
	token := a.getenv("ATTESTEER_TOKEN")
	if token == "" {
		token = "dev"
	}
	return client.New(node, token, &http.Client{Timeout: requestTimeout})
}
