// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/client"
)

func (a *app) enclavesWatch() *cobra.Command {
	var node, after string
	filters := filterFlags{}
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Follow what happens to recorded enclaves",
		Long: `watch prints a line for each change of a record, as it happens, until it is
interrupted. When the node goes away it waits for it, and goes on after the last
change that it printed: none is lost, and none is printed twice. Every line has
the number of its event, by which --after begins where another watch ended.

With --json each line is one event as JSON.`,
		Example: `  attesteer enclaves watch --fingerprint af34… --json
  attesteer enclaves watch --after start --event recorded,withdrawn`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.watch(cmd.Context(), node, client.Follow{Filters: filters.values(), After: after})
		},
	}
	fl := cmd.Flags()
	nodeFlag(fl, &node)
	fl.StringVar(&after, "after", "", "number of the last event that is known, or start for all there are (default: from now on)")
	filters.add(fl, "id", "", "one record")
	filters.add(fl, "event", "", "kinds of events, such as recorded,withdrawn")
	filters.forRecords(fl)
	return cmd
}

// filterFlags are the flags that choose among records, by their names.
type filterFlags map[string]*string

func (f filterFlags) add(fl *pflag.FlagSet, name, short, usage string) {
	f[name] = fl.StringP(name, short, "", usage)
}

// forRecords adds those that the API has wherever it tells of records.
func (f filterFlags) forRecords(fl *pflag.FlagSet) {
	for _, one := range []struct{ name, short, usage string }{
		{"q", "q", "part of a URL, or the beginning of an id, measurement or key"},
		{"tee", "", "kind of enclave, such as sgx"},
		{"fingerprint", "", "measurement of the code: MRENCLAVE, of a TD the SHA-384 of MRTD and RTMRs"},
		{"mr-signer", "", "vendor of the code (MRSIGNER)"},
		{"signer", "", "report data of the enclave"},
		{"url", "", "where the enclave serves"},
		{"status", "", "TCB status, such as UpToDate"},
		{"tier", "", "affirming, warning or contraindicated"},
		{"state", "", "active, expired, undecided, withdrawn or revoked"},
		{"registrar", "", "key of a registrar"},
	} {
		f.add(fl, one.name, one.short, one.usage)
	}
}

// values returns what was given, by the API's names.
func (f filterFlags) values() url.Values {
	query := url.Values{}
	for name, value := range f {
		if *value != "" {
			query.Set(strings.ReplaceAll(name, "-", "_"), *value)
		}
	}
	return query
}

// watch prints events until ctx ends or the node refuses for good.
func (a *app) watch(ctx context.Context, node string, f client.Follow) error {
	f.Interrupted = func(err error, wait time.Duration) {
		a.sayf("warning: lost the node: %s; trying again in %s", reason(err), wait.Round(100*time.Millisecond))
	}
	f.Resumed = func(after string) {
		if after == "" {
			a.sayf("connected again")
			return
		}
		a.sayf("connected again, after event %s", after)
	}
	for e, err := range a.dial(node).Events(ctx, f) {
		if err == nil && a.asJSON {
			err = a.printJSON(e)
		}
		if err != nil {
			return a.nodeError(node, err)
		}
		if !a.asJSON {
			a.printEvent(e)
		}
	}
	return nil
}

// reason leaves out of a network's error what the command line says.
func reason(err error) string {
	var network *url.Error
	if errors.As(err, &network) {
		err = network.Err
	}
	return err.Error()
}

func (a *app) printEvent(e *client.Event) {
	v := &e.Record
	a.printf("%s  %-6d %-11s %s  %-9s %-15s %s  %s\n",
		stamp(e.Time), e.Sequence, e.Event, v.ID, v.State, v.Tier, v.Status, deref(v.URL))
}
