// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"sync/atomic"

	abcicli "github.com/cometbft/cometbft/abci/client"
	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/proxy"
)

// connections makes CometBFT's connections to the application.
type connections struct{ app *application }

var _ proxy.ClientCreator = connections{}

// NewABCIClient implements [proxy.ClientCreator].
func (c connections) NewABCIClient() (abcicli.Client, error) {
	return &connection{Client: abcicli.NewLocalClient(nil, c.app), app: c.app}, nil
}

// connection makes one call at a time, as CometBFT's own local client does, but
// for transactions to check: they are for the most part signatures to verify,
// each without regard to the others, and there are several cores.
type connection struct {
	abcicli.Client

	app      *application
	callback atomic.Pointer[abcicli.Callback]
}

// SetResponseCallback implements [abcicli.Client].
func (c *connection) SetResponseCallback(f abcicli.Callback) {
	c.callback.Store(&f)
	c.Client.SetResponseCallback(f)
}

// CheckTxAsync implements [abcicli.Client]. The answer is there when it returns.
func (c *connection) CheckTxAsync(ctx context.Context, req *abci.RequestCheckTx) (*abcicli.ReqRes, error) {
	answer, err := c.app.CheckTx(ctx, req)
	if err != nil {
		return nil, err
	}
	out := abcicli.NewReqRes(abci.ToRequestCheckTx(req))
	out.Response = abci.ToResponseCheckTx(answer)
	if f := c.callback.Load(); f != nil {
		(*f)(out.Request, out.Response)
	}
	out.InvokeCallback() // none is set: one that is set from here on is called at once
	return out, nil
}
