// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/rats"
)

// Exit codes that no kind has.
const (
	exitUnexpected  = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// system is what the program has of the world around it.
type system struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	getenv func(string) string
	// environ returns all variables as NAME=VALUE; nil for none.
	environ func() []string
}

// usageError is a command line that cannot be meant.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// hinted is an error with a word on what to do about it.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }

// app holds what all commands share.
type app struct {
	system
	// running is set once a command's own code has the word: errors before it
	// are usage errors.
	running bool
	asJSON  bool
	// speak says lines for people some other way than on stderr, if not nil.
	speak func(line string)
	// faults are what is wrong with the settings of a command that lists them.
	faults []error
	// token is what nodes are sent; empty for none in particular.
	token string
	// trust is which nodes are believed to be who they are.
	trust nodeTrust
}

// run runs one command line and returns the exit code.
func run(ctx context.Context, args []string, sys system) int {
	a := &app{system: sys}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(sys.stdin)
	root.SetOut(sys.stdout)
	root.SetErr(sys.stderr)
	return a.finish(ctx, root.ExecuteContext(ctx))
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "attesteer",
		Short: "Public remote attestation: verify evidence, record it on an open ledger, prove the record",
		Long: `attesteer verifies the evidence by which a trusted execution environment proves
what code it runs, records it on a public ledger where every node verifies it
again, and lets anyone check a record without trusting who serves it.`,
		Example: `  attesteer serve --network dev            # a ledger, its API and its pages, in one process
  attesteer verify quote.bin --endorsements ./collateral
  attesteer submit quote.bin --url https://my.enclave.example`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.fromEnvironment(cmd); err != nil {
				return err
			}
			a.running = true
			return nil
		},
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	// The API's names have underscores; whoever types them here is understood.
	root.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	root.PersistentFlags().BoolVar(&a.asJSON, "json", false, "print one JSON object instead of words for people")
	root.AddCommand(
		a.serveCommand(), a.inspectCommand(), a.verifyCommand(), a.submitCommand(), a.enclavesCommand(),
		a.proofCommand(), a.endorsementsCommand(), a.attestCommand(), a.tokenCommand(), a.versionCommand(),
		a.earCommand(), a.healthcheckCommand(), a.manCommand(), a.conformanceCommand(), a.configCommand(), a.ledgerCommand(), a.pccsCommand(), a.agentCommand(),
	)
	complete(root)
	return root
}

// finish reports err and returns its exit code.
func (a *app) finish(ctx context.Context, err error) int {
	if err == nil {
		return 0
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		a.sayf("error: interrupted")
		return exitInterrupted
	}
	a.sayf("error: %s", strings.TrimSpace(err.Error()))
	var h hinted
	var usage usageError
	open := openSecret(err)
	wrong := errors.As(err, &usage) || !a.running || open != ""
	switch {
	case errors.As(err, &h):
		a.sayf("hint: %s", h.hint)
	case open != "":
		a.sayf("hint: chmod 600 %s", open)
	case wrong:
		a.sayf("hint: attesteer --help lists the commands, attesteer COMMAND --help its flags")
	}
	if wrong {
		return exitUsage
	}
	var e *rats.Error
	var k rats.Kind
	if errors.As(err, &e) || errors.As(err, &k) {
		return rats.KindOf(err).ExitCode()
	}
	return exitUnexpected
}

// sayf writes a line for people.
func (a *app) sayf(format string, args ...any) {
	if a.speak != nil {
		a.speak(fmt.Sprintf(format, args...))
		return
	}
	_, _ = fmt.Fprintf(a.stderr, format+"\n", args...)
}

// printf writes data.
func (a *app) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(a.stdout, format, args...)
}

// printJSON writes v as one line of JSON, in the same bytes in which the API
// answers it.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return rats.Errorf(rats.Internal, "encode: %w", err)
	}
	return nil
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := version()
			if a.asJSON {
				return a.printJSON(map[string]string{"version": v.version, "go": v.goVersion, "revision": v.revision})
			}
			a.printf("attesteer %s (%s)\n", v.version, v.goVersion)
			return nil
		},
	}
}

type buildVersion struct{ version, goVersion, revision string }

// release is the version of a release, which the linker writes here
// (packaging/release): the tool chain stamps none where there is no repository.
var release string

// version reads what the tool chain stamped into the binary.
func version() buildVersion {
	v := buildVersion{version: cmp.Or(release, "devel")}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.goVersion = info.GoVersion
	if release == "" && info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.revision = s.Value
		}
	}
	return v
}
