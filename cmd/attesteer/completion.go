// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// completions returns what a shell offers after a flag. A flag that means
// another thing in one command has that command's path before it.
func completions() map[string][]string {
	var statuses []string
	for _, s := range rats.TCBStatuses() {
		statuses = append(statuses, string(s))
	}
	var kinds []string
	for _, k := range record.EventKinds() {
		kinds = append(kinds, string(k))
	}
	return map[string][]string{
		"network":            {"dev", "test", "main"},
		"accept-tcb":         statuses,
		"sim-tcb":            statuses,
		"status":             statuses,
		"tier":               {"affirming", "warning", "contraindicated"},
		"state":              {"active", "expired", "undecided", "withdrawn", "revoked"},
		"tee":                {"sgx", "tdx"},
		"attest tee":         teeNames(),
		"agent run tee":      teeNames(),
		"enclaves list tee":  {"sgx", "tdx", simSGX, simTDX},
		"enclaves watch tee": {"sgx", "tdx", simSGX, simTDX},
		"event":              kinds,
		"evaluation-number":  {"standard", "early", "highest"},
		"sim-quote-version":  {"3", "4", "5"},
	}
}

// folders are the flags that take a folder's name, files those that take a
// file's with one of the given endings.
func folders() []string { return []string{"home", "endorsements", "tee-root"} }

func files() map[string][]string {
	return map[string][]string{"config": {"env", "conf"}, "tls-cert": {"pem", "crt"}, "tls-key": {"pem", "key"}, "endorsements-tls-ca": {"pem", "crt"}}
}

// complete teaches every command below root what a shell offers after its flags
// and for its arguments, where nobody has taught it yet. The scripts themselves
// are cobra's: attesteer completion SHELL.
func complete(root *cobra.Command) {
	values, endings := completions(), files()
	byFlag := map[string]cobra.CompletionFunc{}
	for name, list := range values {
		byFlag[name] = offer(list)
	}
	for _, name := range folders() {
		byFlag[name] = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	}
	for name, list := range endings {
		byFlag[name] = cobra.FixedCompletions(list, cobra.ShellCompDirectiveFilterFileExt)
	}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		path := strings.TrimPrefix(cmd.CommandPath(), root.Name()+" ")
		teach := func(f *pflag.Flag) {
			offered, ok := byFlag[path+" "+f.Name]
			if !ok {
				offered, ok = byFlag[f.Name]
			}
			if _, taught := cmd.GetFlagCompletionFunc(f.Name); ok && !taught {
				_ = cmd.RegisterFlagCompletionFunc(f.Name, offered)
			}
		}
		cmd.Flags().VisitAll(teach)
		cmd.PersistentFlags().VisitAll(teach)
		if cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 && !cmd.HasSubCommands() {
			cmd.ValidArgsFunction = arguments(cmd)
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

// offer completes one of the values, and a list of them, comma by comma.
func offer(values []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		before := ""
		if i := strings.LastIndexByte(typed, ','); i >= 0 {
			before = typed[:i+1]
		}
		var out []string
		for _, v := range values {
			if strings.HasPrefix(before+v, typed) {
				out = append(out, before+v)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// arguments completes what a command's usage line says that it takes: a folder
// for DIR, a file for FILE and BUNDLE, and nothing that a shell could know for
// all else.
func arguments(cmd *cobra.Command) cobra.CompletionFunc {
	words := strings.Fields(cmd.Use)[1:]
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(words) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		switch word := words[len(args)]; {
		case strings.Contains(word, "FILE"), word == "BUNDLE":
			return nil, cobra.ShellCompDirectiveDefault
		case word == "DIR":
			return nil, cobra.ShellCompDirectiveFilterDirs
		default:
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
	}
}
