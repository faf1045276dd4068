// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/ledger"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Check what a node is told, and see where each setting comes from",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.configCheckCommand())
	return cmd
}

func (a *app) configCheckCommand() *cobra.Command {
	var f serveFlags
	var peering peeringFlags
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check every setting of serve, and list all that is wrong",
		Long: `check takes the flags of serve, its environment and its file of settings, shows
what each setting is and where it comes from, and looks at what they name: files
and who may read them, certificate and key, ports, the home and its network,
sources of endorsements, free space. It starts nothing, makes nothing and asks
nobody.

Secrets are shown as set or unset. A node that runs on the home may stay up.

Exit codes: 0 nothing is wrong (there may be warnings), 2 something is.`,
		Example: `  attesteer config check --config /etc/attesteer/attesteer.env --home /var/lib/attesteer
  attesteer config check --network main --listen :443 --tls-cert chain.pem --tls-key key.pem --json`,
		Annotations: map[string]string{listsFaults: "true"},
		Args:        cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			given := cmd.Flags().Changed("network")
			if !given {
				f.network = networkOf(f.home)
			}
			c := &checkup{app: a, flags: f, networkGiven: given}
			for _, err := range a.faults {
				c.fault("", err)
			}
			var err error
			if c.flags.peering, err = peering.over(f.home, cmd.Flags()); err != nil {
				c.fault("peers", err)
			}
			c.run(cmd.Context())
			return a.sayCheckup(c, settingsOf(a, cmd.Flags(), &f))
		},
	}
	f.registerAll(a, cmd, &peering)
	return cmd
}

// settingView is one setting as check shows it.
type settingView struct {
	Name     string `json:"name"`
	Variable string `json:"variable"`
	Value    string `json:"value"`
	// Origin is flag, home, default, a variable's name, or FILE:LINE.
	Origin string `json:"origin"`
}

// settingsOf returns every setting of a node, by name.
func settingsOf(a *app, fl *pflag.FlagSet, node *serveFlags) []settingView {
	var out []settingView
	fl.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Name == "json" {
			return
		}
		v := settingView{Name: f.Name, Variable: environmentName(f.Name), Value: shownValue(f), Origin: originOf(f)}
		switch {
		case v.Origin != "":
		case f.Changed:
			v.Origin = "flag"
		case f.Name == "network" && ledger.Founded(node.home):
			v.Value, v.Origin = node.network, "home"
		case f.Name == "network":
			v.Value, v.Origin = node.network, "default"
		default:
			v.Origin = "default"
		}
		out = append(out, v)
	})
	key := settingView{Name: "pcs-api-key", Variable: apiKeyVariable, Value: "unset", Origin: "default"}
	for _, name := range []string{apiKeyVariable, apiKeyVariable + "_FILE"} {
		if a.getenv(name) != "" {
			key.Value, key.Origin = "set", name
		}
	}
	return append(out, key)
}

// shownValue is a flag's value without what a URL may hold that is secret.
func shownValue(f *pflag.Flag) string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		shown := list.GetSlice()
		for i, v := range shown {
			shown[i] = withoutSecrets(v)
		}
		return strings.Join(shown, ",")
	}
	return withoutSecrets(f.Value.String())
}

// withoutSecrets drops user, password and query from a URL, and leaves all else.
func withoutSecrets(text string) string {
	if node, ok := strings.CutPrefix(text, ledgerPrefix); ok {
		return ledgerPrefix + withoutSecrets(node)
	}
	if !isService(text) {
		return text
	}
	u, err := url.Parse(text)
	if err != nil {
		return "(no URL)"
	}
	if u.User != nil {
		u.User = url.User("…")
	}
	if u.RawQuery != "" {
		u.RawQuery = "…"
	}
	u.Fragment = ""
	shown, err := url.PathUnescape(u.String())
	if err != nil {
		return u.String()
	}
	return shown
}

// finding is something that check found.
type finding struct {
	// Level is error, warning or note.
	Level   string `json:"level"`
	Setting string `json:"setting,omitempty"`
	Detail  string `json:"detail"`
	Hint    string `json:"hint,omitempty"`
}

const (
	findError   = "error"
	findWarning = "warning"
	findNote    = "note"
)

// sayCheckup prints what was found. Its error is the number of errors.
func (a *app) sayCheckup(c *checkup, settings []settingView) error {
	bad := 0
	for _, f := range c.findings {
		if f.Level == findError {
			bad++
		}
	}
	if a.asJSON {
		if err := a.printJSON(struct {
			OK       bool          `json:"ok"`
			Settings []settingView `json:"settings"`
			Findings []finding     `json:"findings"`
		}{bad == 0, settings, slices.Concat([]finding{}, c.findings)}); err != nil {
			return err
		}
	} else {
		a.printSettings(settings)
		for _, f := range c.findings {
			a.printFinding(f)
		}
	}
	const hint = "they are listed above"
	switch {
	case bad == 1:
		return hinted{usagef("the node would not start: one thing is wrong"), hint}
	case bad > 1:
		return hinted{usagef("the node would not start: %d things are wrong", bad), hint}
	}
	return nil
}

func (a *app) printSettings(settings []settingView) {
	widths := [2]int{}
	for _, s := range settings {
		widths[0], widths[1] = max(widths[0], len(s.Name)), max(widths[1], min(len(orDash(s)), 40))
	}
	for _, s := range settings {
		a.printf("%-*s  %-*s  %s\n", widths[0], s.Name, widths[1], orDash(s), s.Origin)
	}
}

// orDash is a value as the table shows it: something, where there is nothing.
func orDash(s settingView) string { return cmp.Or(s.Value, "-") }

func (a *app) printFinding(f finding) {
	where := ""
	if f.Setting != "" {
		where = "--" + f.Setting + ": "
	}
	if strings.HasPrefix(f.Detail, "--") {
		where = ""
	}
	a.printf("%s: %s%s\n", f.Level, where, f.Detail)
	if f.Hint != "" {
		a.printf("hint: %s\n", f.Hint)
	}
}
