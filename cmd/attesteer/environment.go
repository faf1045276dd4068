// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/rats"
)

// environmentPrefix begins every variable that is this program's.
const environmentPrefix = "ATTESTEER_"

// Variables for which there is no flag, since what they hold is secret. Each
// may also be given as NAME_FILE, which names a file that holds it.
const (
	tokenVariable  = environmentPrefix + "TOKEN"
	apiKeyVariable = environmentPrefix + "PCS_API_KEY"
)

// Annotations of flags.
const (
	// originAnnotation holds the variable that a flag's value came from.
	originAnnotation = "origin"
	// listsFaults marks a command that lists what is wrong with its settings,
	// where others refuse to run.
	listsFaults = "lists_faults"
	// tokenAnnotation marks --node where its use takes a token.
	tokenAnnotation = "token"
)

// variable is one environment variable of this program.
type variable struct {
	name  string
	usage string
	// flag is the flag that it stands for, without dashes; empty for those of
	// the table below.
	flag string
}

// flagless returns the variables that stand for no flag.
func flagless() []variable {
	return []variable{
		{name: tokenVariable, usage: "token that is sent to nodes"},
		{name: tokenVariable + "_FILE", usage: "file that holds this token"},
		{name: apiKeyVariable, usage: "key of a subscription with Intel's PCS"},
		{name: apiKeyVariable + "_FILE", usage: "file that holds this key"},
		{name: environmentPrefix + "VECTORS", usage: "folder of real evidence, for the project's own tests"},
	}
}

// environmentName returns the variable that stands for a flag, such as
// ATTESTEER_TLS_CERT for "tls-cert".
func environmentName(flag string) string {
	return environmentPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// environment returns every variable that some command below root reads, by
// its name.
func environment(root *cobra.Command) map[string]variable {
	all := map[string]variable{}
	for _, v := range flagless() {
		all[v.name] = v
	}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		add := func(f *pflag.Flag) {
			if f.Name != "help" {
				all[environmentName(f.Name)] = variable{environmentName(f.Name), f.Usage, f.Name}
			}
		}
		cmd.Flags().VisitAll(add)
		cmd.PersistentFlags().VisitAll(add)
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root)
	return all
}

// fromEnvironment sets each flag of cmd that was not given from the variable
// that stands for it or else from a file of settings, notes on the flag that it
// did, and warns of variables that stand for nothing. A variable that is empty
// counts as absent.
func (a *app) fromEnvironment(cmd *cobra.Command) error {
	a.warnOfStrangers(environment(cmd.Root()))
	faults := append(a.fromVariables(cmd), a.fromFile(cmd)...)
	if cmd.Annotations[listsFaults] != "" {
		a.faults = faults
		return nil
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	if sendsToken(cmd) {
		var err error
		if a.token, err = a.secret(tokenVariable); err != nil {
			return err
		}
	}
	return a.readTrust(cmd.Flags())
}

// sendsToken reports whether a command sends a token to nodes.
func sendsToken(cmd *cobra.Command) bool {
	node := cmd.Flags().Lookup("node")
	return node != nil && node.Annotations[tokenAnnotation] != nil
}

// fromVariables sets flags from their variables, and returns what is wrong with
// any of those.
func (a *app) fromVariables(cmd *cobra.Command) (faults []error) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		name := environmentName(f.Name)
		value := a.getenv(name)
		if f.Changed || f.Name == "help" || value == "" {
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			faults = append(faults, usagef("%s: %w", name, err))
			return
		}
		annotate(f, originAnnotation, name)
	})
	return faults
}

func annotate(f *pflag.Flag, key, value string) {
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[key] = []string{value}
}

// originOf returns the variable, or the line of a file, that a flag's value came
// from; empty if it was given on the command line, or not at all.
func originOf(f *pflag.Flag) string {
	if from := f.Annotations[originAnnotation]; len(from) == 1 {
		return from[0]
	}
	return ""
}

// maxSecret bounds a file that holds one, in bytes.
const maxSecret = 64 << 10

// secret returns a secret from the variable name, or from the file that
// name_FILE names; empty if neither is set. Nobody but its owner may use that
// file; if it is not this process's own, the group may read it, since container
// engines hand secrets to a process's group.
func (a *app) secret(name string) (string, error) {
	value, path := a.getenv(name), a.getenv(name+"_FILE")
	switch {
	case path == "":
		return value, nil
	case value != "":
		return "", usagef("%s and %s_FILE are both set: which one is meant?", name, name)
	}
	b, err := a.readSecret(path)
	if err != nil {
		return "", err
	}
	if value = strings.TrimSpace(string(b)); value == "" {
		return "", rats.Errorf(rats.Malformed, "%s, named by %s_FILE, is empty", path, name)
	}
	return value, nil
}

// serviceLink is what Kubernetes and old Docker put into a container for a
// service that happens to be called attesteer.
const serviceLink = `^ATTESTEER_(\w+_)?(SERVICE_(HOST|PORT\w*)|PORT_\d+_(TCP|UDP)\w*)=|^ATTESTEER_(\w+_)?PORT=(tcp|udp)://`

// warnOfStrangers warns of variables with our prefix that nothing reads: a
// typing error that goes unnoticed is a node that runs on a default.
func (a *app) warnOfStrangers(known map[string]variable) {
	if a.environ == nil {
		return
	}
	link := regexp.MustCompile(serviceLink)
	for _, entry := range slices.Sorted(slices.Values(a.environ())) {
		name, _, _ := strings.Cut(entry, "=")
		if _, ok := known[name]; ok || !strings.HasPrefix(name, environmentPrefix) || link.MatchString(entry) {
			continue
		}
		a.sayf("warning: %s is set, but no command reads it", name)
		for _, candidate := range slices.Sorted(maps.Keys(known)) {
			if distance(name, candidate) <= 2 {
				a.sayf("hint: is %s meant?", candidate)
				break
			}
		}
	}
}

// distance counts the single changes that turn one name into the other, an
// exchange of two neighbours being one (optimal string alignment).
func distance(from, to string) int {
	before, last := []int(nil), make([]int, len(to)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(from) {
		row := make([]int, len(to)+1)
		row[0] = i + 1
		for j := range len(to) {
			cost := 1
			if from[i] == to[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && from[i] == to[j-1] && from[i-1] == to[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(to)]
}
