// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/rats"
)

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write the manual pages, one a command, into a folder",
		Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // manual pages are public
				return fileError("make", args[0], err)
			}
			pages := a.manPages(cmd.Root(), version().version)
			for _, name := range slices.Sorted(maps.Keys(pages)) {
				file := filepath.Join(args[0], name)
				if err := os.WriteFile(file, pages[name], 0o644); err != nil { //nolint:gosec // manual pages are public
					return fileError("write", file, err)
				}
			}
			return nil
		},
	}
}

// manPages returns the manual page of every command that help shows, in the
// language of man(7), by file name. They hold nothing of the machine that they
// are made on, and no date.
func (a *app) manPages(root *cobra.Command, version string) map[string][]byte {
	pages := map[string][]byte{}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		p := &manPage{home: a.defaultHome()}
		p.write(cmd, version)
		pages[manName(cmd)+".1"] = []byte(p.String())
		for _, sub := range shown(cmd) {
			walk(sub)
		}
	}
	walk(root)
	return pages
}

// shown returns a command's own that help shows, without help itself.
func shown(cmd *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(cmd.Commands()), func(sub *cobra.Command) bool {
		return !sub.IsAvailableCommand() || sub.Name() == "help"
	})
}

func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manPage is a manual page as it grows.
type manPage struct {
	strings.Builder
	// home is a default that differs between machines, and is written as ~.
	home string
}

func (p *manPage) linef(format string, args ...any) { _, _ = fmt.Fprintf(p, format+"\n", args...) }

func (p *manPage) write(cmd *cobra.Command, version string) {
	p.linef(`.\" SPDX-License-Identifier: Apache-2.0`)
	p.linef(`.TH %s 1 "" "attesteer %s" "Attesteer"`, roff(strings.ToUpper(manName(cmd))), roff(version))
	p.linef(".SH NAME\n%s \\- %s", roff(manName(cmd)), roff(cmd.Short))
	p.linef(".SH SYNOPSIS\n.B %s", roff(cmd.UseLine()))
	if long := strings.TrimSpace(cmd.Long); long != "" {
		p.linef(".SH DESCRIPTION")
		p.prose(long)
	}
	if subs := shown(cmd); len(subs) > 0 {
		p.linef(".SH COMMANDS")
		for _, sub := range subs {
			p.linef(".TP\n.BR %s (1)\n%s", roff(manName(sub)), roff(sub.Short))
		}
	}
	p.linef(".SH OPTIONS")
	cmd.InitDefaultHelpFlag()
	cmd.LocalFlags().VisitAll(p.flag)
	cmd.InheritedFlags().VisitAll(p.flag)
	if !cmd.HasParent() {
		p.exits()
		p.variables()
	}
	if cmd.HasExample() {
		p.linef(".SH EXAMPLES\n.EX\n%s\n.EE", roff(strings.Trim(cmd.Example, "\n")))
	}
	var also []string
	if cmd.HasParent() {
		also = append(also, manName(cmd.Parent()))
	}
	for _, sub := range shown(cmd) {
		also = append(also, manName(sub))
	}
	p.linef(".SH SEE ALSO")
	for i, name := range also {
		p.linef(".BR %s (1)%s", roff(name), map[bool]string{true: ","}[i < len(also)-1])
	}
}

// prose writes paragraphs; lines that are indented stay as they are.
func (p *manPage) prose(text string) {
	for i, paragraph := range strings.Split(text, "\n\n") {
		if i > 0 {
			p.linef(".PP")
		}
		if strings.HasPrefix(paragraph, " ") || strings.HasPrefix(paragraph, "\t") {
			p.linef(".EX\n%s\n.EE", roff(paragraph))
			continue
		}
		p.linef("%s", roff(strings.TrimSpace(paragraph)))
	}
}

func (p *manPage) flag(f *pflag.Flag) {
	if f.Hidden {
		return
	}
	name := `\fB` + roff("--"+f.Name) + `\fP`
	if f.Shorthand != "" {
		name = `\fB` + roff("-"+f.Shorthand) + `\fP, ` + name
	}
	kind, usage := pflag.UnquoteUsage(f)
	if kind != "" {
		name += ` \fI` + roff(kind) + `\fP`
	}
	p.linef(".TP\n%s\n%s", name, roff(usage))
	if value := f.DefValue; value != "" && value != "false" && value != "0" && value != "[]" {
		if value == p.home {
			value = "~/.attesteer"
		}
		p.linef("(default %s)", roff(value))
	}
	if f.Name != "help" {
		p.linef(".br\n%s", roff(environmentName(f.Name)))
	}
}

// exits writes the exit codes, from the table of kinds.
func (p *manPage) exits() {
	codes := map[int][]string{
		0:               {"accepted, or done"},
		exitUnexpected:  {"something else went wrong"},
		exitUsage:       {"the command line cannot be meant"},
		exitInterrupted: {"interrupted"},
	}
	for _, k := range rats.Kinds() {
		codes[k.ExitCode()] = append(codes[k.ExitCode()], k.String())
	}
	p.linef(".SH EXIT STATUS")
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		p.linef(".TP\n.B %d\n%s", code, roff(strings.Join(codes[code], ", ")))
	}
}

// variables writes what the environment says beside flags.
func (p *manPage) variables() {
	p.linef(".SH ENVIRONMENT")
	p.prose("Every flag can be given as a variable too: its name in capitals, with " + environmentPrefix +
		" before it and _ for each dash. Options name theirs. A flag on the command line counts more than " +
		"its variable, lists have commas, and what is secret has a variable and no flag:")
	for _, v := range flagless() {
		p.linef(".TP\n.B %s\n%s", roff(v.name), roff(v.usage))
	}
}

// roff writes text so that none of it is taken for an instruction.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
