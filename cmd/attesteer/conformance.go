// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/rats"
)

type conformanceFlags struct {
	only    string
	command string
	timeout time.Duration
	verdict bool
}

func (a *app) conformanceCommand() *cobra.Command {
	var f conformanceFlags
	cmd := &cobra.Command{
		Use:   "conformance DIR",
		Short: "Play the cases of a conformance suite, with this verifier or another",
		Long: `conformance plays every case below a folder: a quote, endorsements, a policy and
a time, and what must come of them. It prints one line of JSON for each case,
and on standard error how many agree.

With --exec another program is the verifier. It is called once a case with a
folder as its last argument, and its exit code is the answer: 0 accepted, 10 not
genuine, 11 genuine but not accepted, 12 undecided, 13 unsupported, 14 malformed.
JSON that it prints is compared too: "kind", and "status" or "tcb":{"status"}.

With --verdict the command is such a program: it plays the one case in DIR,
prints the result and answers by its exit code.

Exit codes otherwise: 0 all cases agree, 1 some do not, 2 there is no such suite.`,
		Example: `  attesteer conformance conformance
  attesteer conformance conformance --case 'tcb-*/*'
  attesteer conformance conformance --exec ./my-verifier
  attesteer conformance conformance --exec 'attesteer conformance --verdict'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.verdict {
				return a.conformanceVerdict(args[0], f)
			}
			return a.conformance(cmd.Context(), args[0], f)
		},
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
	}
	fl := cmd.Flags()
	fl.StringVar(&f.only, "case", "", "play only cases whose family/name matches this pattern, or whose name does if it has no slash")
	fl.StringVar(&f.command, "exec", "", "program that answers instead of this one, with its arguments, split at spaces")
	fl.DurationVar(&f.timeout, "exec-timeout", time.Minute, "how long the program of --exec may take for one case")
	fl.BoolVar(&f.verdict, "verdict", false, "play the one case in DIR, print the result and exit as it says")
	return cmd
}

// conformanceLine is what is printed of one case.
type conformanceLine struct {
	Case     string   `json:"case"`
	Family   string   `json:"family"`
	Clause   string   `json:"clause"`
	Expected expected `json:"expected"`
	Got      *verdict `json:"got"`
	OK       bool     `json:"ok"`
	// Differs names what does not agree: exit, kind, status, accepted, result.
	Differs []string `json:"differs,omitempty"`
	// Detail says why evidence was refused, or why there is no verdict at all.
	Detail string `json:"detail,omitempty"`
}

func (a *app) conformance(ctx context.Context, dir string, f conformanceFlags) error {
	switch {
	case f.timeout <= 0:
		return usagef("--exec-timeout: %s is no time to answer in", f.timeout)
	case f.command != "" && strings.TrimSpace(f.command) == "":
		return usagef("--exec names no program")
	}
	manifests, err := findManifests(dir)
	if err != nil {
		return err
	}
	played, agreed := 0, 0
	for _, file := range manifests {
		c, err := a.readCase(file)
		if err != nil {
			return err
		}
		if wanted, err := c.matches(f.only); err != nil || !wanted {
			if err != nil {
				return err
			}
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		line := a.play(ctx, c, f)
		if err := a.printJSON(line); err != nil {
			return err
		}
		played++
		if line.OK {
			agreed++
		}
	}
	if played == 0 {
		return usagef("--case %s: none of the %d cases in %s matches", f.only, len(manifests), dir)
	}
	a.sayf("%d of %d cases agree", agreed, played)
	if agreed != played {
		return fmt.Errorf("%d of %d cases do not agree", played-agreed, played)
	}
	return nil
}

// conformanceVerdict plays one case and answers as --exec expects.
func (a *app) conformanceVerdict(dir string, f conformanceFlags) error {
	if f.command != "" || f.only != "" {
		return usagef("--verdict plays one case, with this verifier: --exec and --case have no meaning")
	}
	c, err := a.readCase(filepath.Join(dir, manifestName))
	if err != nil {
		return err
	}
	result, err := a.judge(c)
	if result != nil {
		if perr := a.printJSON(result); perr != nil {
			return perr
		}
		return err
	}
	if perr := a.printJSON(map[string]rats.Kind{"kind": rats.KindOf(err)}); perr != nil {
		return perr
	}
	return err
}

// findManifests returns the manifests below a folder, in order.
func findManifests(dir string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && entry.Name() == manifestName {
			out = append(out, name)
		}
		return err
	})
	var p *fs.PathError
	switch {
	case errors.As(err, &p):
		return nil, usagef("%s: %w", dir, p.Err)
	case err != nil:
		return nil, err
	case len(out) == 0:
		return nil, usagef("%s holds no case: there is no %s below it", dir, manifestName)
	}
	slices.Sort(out)
	return out, nil
}

// matches reports whether a case is among those that a pattern names.
func (c *conformanceCase) matches(pattern string) (bool, error) {
	if pattern == "" {
		return true, nil
	}
	name := c.Name
	if strings.Contains(pattern, "/") {
		name = c.Family + "/" + c.Name
	}
	ok, err := path.Match(pattern, name)
	if err != nil {
		return false, usagef("--case: %q is no pattern", pattern)
	}
	return ok, nil
}

// play has this verifier or another one judge a case, and compares.
func (a *app) play(ctx context.Context, c *conformanceCase, f conformanceFlags) conformanceLine {
	line := conformanceLine{Case: c.Name, Family: c.Family, Clause: c.Clause, Expected: c.Expected}
	if f.command != "" {
		got, said, err := a.askOther(ctx, c, f)
		if err != nil {
			line.Detail = err.Error()
			return line
		}
		line.Got, line.Detail = got, said
		line.Differs = got.differs(c.Expected)
	} else {
		result, err := a.judge(c)
		line.Got = verdictOf(result, err)
		if err != nil {
			line.Detail = err.Error()
		}
		line.Differs = line.Got.differs(c.Expected)
		if same, err := c.sameResult(a, result); err != nil {
			line.Detail = err.Error()
			return line
		} else if !same {
			line.Differs = append(line.Differs, "result")
		}
	}
	line.OK = len(line.Differs) == 0
	return line
}
