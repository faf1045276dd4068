// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/attesteer/attesteer/client"
)

// Strangers are a process of their own, of the lowest priority: in the world they
// have machines of their own, and what good clients measure must not wait for them.

// floodName is what the process of the strangers is called on its command line.
const floodName = "flooders"

// floodPlan is what the strangers are told.
type floodPlan struct {
	// URL is the API of the node that is flooded by HTTP as well.
	URL     string   `json:"url"`
	ChainID string   `json:"chain_id"`
	Targets []string `json:"targets"`
}

// floodCame is what came of it.
type floodCame struct {
	Peers []peerFigures  `json:"peers"`
	API   []abuseFigures `json:"api"`
}

// flooders is their process.
type flooders struct {
	cmd  *exec.Cmd
	told io.WriteCloser
	says *json.Decoder
}

// startFlood starts the strangers, and returns when they are at it.
func (n *network) startFlood(ctx context.Context) (*flooders, error) {
	l, err := n.members[0].api().Ledger(ctx)
	if err != nil {
		return nil, err
	}
	plan := floodPlan{URL: n.members[0].node.url, ChainID: l.ChainID}
	for _, m := range n.members {
		to, err := addressOf(m.home)
		if err != nil {
			return nil, err
		}
		plan.Targets = append(plan.Targets, to.String())
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f := &flooders{cmd: exec.Command("nice", "-n", "19", self, floodName)}
	f.cmd.Stderr = os.Stderr
	if f.told, err = f.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := f.cmd.Start(); err != nil {
		return nil, err
	}
	f.says = json.NewDecoder(out)
	ready := ""
	if err := errors.Join(json.NewEncoder(f.told).Encode(plan), f.says.Decode(&ready)); err != nil {
		f.kill()
		return nil, fmt.Errorf("the strangers did not begin: %w", err)
	}
	return f, nil
}

// end has them stop and say what came of it.
func (f *flooders) end() (came floodCame, err error) {
	if err := f.told.Close(); err != nil {
		return came, err
	}
	return came, f.says.Decode(&came)
}

// kill ends them, also where they have ended.
func (f *flooders) kill() {
	_ = f.cmd.Process.Kill() // it may be over
	_ = f.cmd.Wait()         // as above
}

// runFlooders is their process: it reads a plan, floods until its input ends, and
// says what came of it.
func runFlooders(ctx context.Context, in io.Reader, out io.Writer) error {
	var plan floodPlan
	d := json.NewDecoder(in)
	if err := d.Decode(&plan); err != nil {
		return err
	}
	f, err := newFloods(ctx, plan)
	if err != nil {
		return err
	}
	w, err := newRush(ctx, plan.URL, f)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode("ready"); err != nil {
		return err
	}
	rushing, enough := context.WithCancel(ctx)
	defer enough()
	all := f.start(rushing)
	w.rush(rushing, all)
	_, err = io.Copy(io.Discard, io.MultiReader(d.Buffered(), in))
	enough()
	all.Wait()
	var came floodCame
	for _, k := range f.kinds {
		came.Peers = append(came.Peers, k.figures())
	}
	for _, a := range rushers() {
		t := w.did[a.name].figures()
		came.API = append(came.API, abuseFigures{Name: a.name, Clients: a.clients, Tries: t.Tries, Outcomes: t.Outcomes})
	}
	return errors.Join(err, json.NewEncoder(out).Encode(came))
}

// newRush is what abusers of an API need to know: the node, and evidence that it
// has recorded.
func newRush(ctx context.Context, url string, f *floods) (*world, error) {
	w := &world{
		node:    &node{url: url, host: strings.TrimPrefix(url, "http://")},
		abusing: &http.Client{Timeout: time.Minute, Transport: &http.Transport{IdleConnTimeout: 5 * time.Second}},
		did:     map[string]*tally{}, huge: make([]byte, 25<<20),
	}
	var err error
	if w.sample, err = f.mint.quote(); err != nil {
		return nil, err
	}
	_, err = client.New(url, "operator", from("")).SubmitEvidence(ctx, client.Submission{Evidence: w.sample})
	return w, err
}

// rushers are the abusers of an API that take part.
func rushers() []abuser {
	return slices.DeleteFunc(abusers(), func(a abuser) bool {
		return !slices.Contains([]string{
			"not JSON", "evidence with a flipped bit", "evidence again and again", "evidence of noise",
			"JSON-RPC of noise", "full batches of JSON-RPC", "bodies of 25 MB", "frames of 25 MB",
		}, a.name)
	})
}

// rush has all of them at it until ctx ends.
func (w *world) rush(ctx context.Context, all *sync.WaitGroup) {
	for _, a := range rushers() {
		t := newTally()
		w.did[a.name] = t
		for range a.clients {
			all.Go(func() {
				for ctx.Err() == nil {
					outcome := a.once(ctx, w)
					if ctx.Err() == nil {
						t.note(outcome)
					}
					rest(ctx, a.pause)
				}
			})
		}
	}
}
