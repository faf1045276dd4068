// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/agent"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/metrics"
	"github.com/attesteer/attesteer/simtee"
)

// agentParts are what all enclaves of an agent share.
type agentParts struct {
	// config is that of each keeper, but for the enclave.
	config    agent.Config
	simulated bool
	order     *endorse.Order
	idle      []func()
}

// close lets go of what is open.
func (p *agentParts) close() {
	if p.order != nil {
		p.order.Close()
	}
	for _, idle := range p.idle {
		idle()
	}
}

// agentNode is a node as an agent calls it.
type agentNode struct{ *client.Client }

var _ agent.Ledger = agentNode{}

// receiptWait is how long a node may take before it gives a receipt instead of a
// verdict.
const receiptWait = 20 * time.Second

// Submit implements [agent.Ledger]. It outlives a block that takes long, and a
// connection that is lost meanwhile.
func (n agentNode) Submit(ctx context.Context, s client.Submission) (*client.Recorded, error) {
	receipt, err := n.Idempotent(rand.Text()).SubmitAsync(ctx, s, receiptWait)
	if err == nil {
		err = receipt.Err()
	}
	switch {
	case err != nil:
		return nil, err
	case receipt.Recorded != nil:
		return receipt.Recorded, nil
	default:
		return n.Await(ctx, receipt.Tx)
	}
}

// dialAgent returns the nodes, each with connections that it keeps.
func (a *app) dialAgent(addresses []string) (nodes []agent.Node, idle func()) {
	token := a.token
	if token == "" {
		token = "dev"
	}
	c := &http.Client{Timeout: requestTimeout, Transport: a.transport(), CheckRedirect: staySecure}
	for _, address := range addresses {
		nodes = append(nodes, agent.Node{Name: withoutSecrets(address), Ledger: agentNode{client.New(address, token, c)}})
	}
	return nodes, c.CloseIdleConnections
}

// heldSimulated names the simulated vendor, where no source is given.
const heldSimulated = "the simulated vendor"

// agentSources returns whom an agent asks for endorsements, nil for nobody.
// Folders are read again when they change.
func (a *app) agentSources(ctx context.Context, f *agentFlags, simulated, allSimulated bool, logger *slog.Logger) (*endorse.Order, error) {
	names, held := f.endorsements, map[string]endorse.Source{}
	if len(names) == 0 {
		if !allSimulated {
			return nil, nil //nolint:nilnil // there is nobody to ask
		}
		names, held[heldSimulated] = []string{heldSimulated}, simtee.Source{}
	}
	for _, name := range f.endorsements {
		if isAsked(name) {
			continue
		}
		switch st, err := os.Stat(name); {
		case err != nil:
			return nil, usageError{fileError("read", name, err)}
		case !st.IsDir():
			return nil, usageError{fileError("read", name, errors.New("it is no folder"))}
		}
		folder := &importedFolder{dir: name, simulated: simulated}
		if _, err := folder.Endorsements(ctx, nil, time.Now()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fileError("read", name, err)
		}
		held[name] = folder
	}
	return a.openOrder(names, f.service, endorse.PCSConfig{Roots: trustedRoots(simulated), Report: logFetches(logger)}, held)
}

// agentParts opens what all enclaves share.
func (a *app) agentParts(ctx context.Context, f *agentFlags, described []enclaveFlags, logger *slog.Logger) (agentParts, error) {
	simulated, all := f.simulated, true
	for i := range described {
		is := isSimulatedTEE(described[i].tee)
		simulated, all = simulated || is, all && is
	}
	p := agentParts{simulated: f.simulated, config: agent.Config{Random: mathrand.Float64, Log: logger, Report: a.reporter()}}
	order, err := a.agentSources(ctx, f, simulated, all, logger)
	if err != nil {
		return p, err
	}
	if p.order = order; order != nil {
		p.config.Endorsements = order
	}
	nodes, idle := a.dialAgent(f.nodes)
	p.config.Nodes, p.idle = nodes, append(p.idle, idle)
	return p, nil
}

// reporter returns what prints reports, one at a time.
func (a *app) reporter() func(agent.Report) {
	var mu sync.Mutex // guards standard output
	return func(r agent.Report) {
		mu.Lock()
		defer mu.Unlock()
		if a.asJSON {
			_ = a.printJSON(r) // who reads no more is attested all the same
			return
		}
		a.printf("%s  %-8s  %-9s  %s  %s\n", r.Time.Format(time.RFC3339), r.Outcome, r.Reason, r.Enclave, reportWords(&r))
	}
}

// reportWords says how a record stands, or what is wrong.
func reportWords(r *agent.Report) string {
	if r.Detail != "" {
		return r.Detail
	}
	return r.Record + "  " + string(r.State) + "  until " + stamp(r.Expires)
}

func (a *app) runAgent(cmd *cobra.Command, f agentFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	ctx := cmd.Context()
	logger, err := f.logs.logger(a.stderr)
	if err != nil {
		return err
	}
	if f.logs.format == logJSON {
		a.speak = speak(logger)
	}
	described, err := a.describedEnclaves(cmd.Flags(), &f)
	if err != nil {
		return err
	}
	parts, err := a.agentParts(ctx, &f, described, logger)
	if err != nil {
		return err
	}
	defer parts.close()
	keepers, err := a.keepers(described, parts)
	if err != nil {
		return err
	}
	if f.once {
		return a.attestOnce(ctx, keepers, f.nodes[0])
	}
	return a.keep(ctx, keepers, f.monitor, logger)
}

// attestOnce attests all enclaves once, at the same time. Its error is that of
// the first that was not attested.
func (a *app) attestOnce(ctx context.Context, keepers []*agent.Keeper, node string) error {
	errs := each(keepers, func(k *agent.Keeper) error {
		_, err := k.Once(ctx)
		return err
	})
	for _, err := range errs {
		if err != nil {
			return a.nodeError(node, err)
		}
	}
	return nil
}

// keep keeps enclaves attested until ctx ends, or none is left to keep; then its
// error is that of the first that could not be kept.
func (a *app) keep(ctx context.Context, keepers []*agent.Keeper, monitored monitorFlags, logger *slog.Logger) error {
	seen, err := openMonitor(monitored)
	if err != nil {
		return err
	}
	defer seen.close()
	seen.serve(&house{meter: agentMeter(keepers)}, logger)
	if u := seen.url(); u != "" {
		a.sayf("metrics: %s", u)
	}
	// Without this Go ends a program whose standard output nobody reads any more.
	unread := make(chan os.Signal, 1)
	signal.Notify(unread, syscall.SIGPIPE)
	defer signal.Stop(unread)
	a.notify(notifyReady)
	errs := each(keepers, func(k *agent.Keeper) error { return k.Run(ctx) })
	a.notify(notifyStopping)
	if ctx.Err() == nil { // it was not told to: nothing is left to keep
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
	}
	a.sayf("stopped")
	return nil
}

// each does something with every keeper at the same time, and waits for all.
func each(keepers []*agent.Keeper, do func(*agent.Keeper) error) []error {
	errs := make([]error, len(keepers))
	var ended sync.WaitGroup
	for i, k := range keepers {
		ended.Go(func() { errs[i] = do(k) })
	}
	ended.Wait()
	return errs
}

// agentMeter returns what monitoring sees of an agent.
func agentMeter(keepers []*agent.Keeper) *metrics.Meter {
	v := version()
	return metrics.New(metrics.Config{
		Build: metrics.Build{Version: v.version, Revision: v.revision, Go: v.goVersion},
		Sources: metrics.Sources{Kept: func() []metrics.Kept {
			out := make([]metrics.Kept, len(keepers))
			for i, k := range keepers {
				s := k.Standing()
				rounds := make(map[string]uint64, len(s.Rounds))
				for outcome, n := range s.Rounds {
					rounds[string(outcome)] = n
				}
				out[i] = metrics.Kept{
					Enclave: s.Enclave, State: string(s.State), Left: s.Left, Valid: s.Valid, Success: s.Success, Rounds: rounds, Failures: s.Failures,
				}
			}
			return out
		}},
	})
}
