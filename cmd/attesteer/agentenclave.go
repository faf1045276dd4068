// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/agent"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// enclaveFlags say which enclave an agent keeps, and how.
type enclaveFlags struct {
	teeFlags
	// file is where they came from, empty for the command line, and lines in which
	// line of it each setting is, by its flag.
	file  string
	lines map[string]int

	name, key, reportData, runtimeData, url string
	validFor, every, margin, keepFor        span
	challenge, revive                       bool
}

func (f *enclaveFlags) register(fl *pflag.FlagSet) {
	teeFlagsOf(fl, &f.teeFlags)
	fl.StringVar(&f.name, "name", "", "how logs, reports and metrics call the enclave (default: its file's name, or enclave)")
	fl.StringVar(&f.key, "key", "", "PEM or DER file of the enclave's key, to be bound as report data; another than an Ed25519 key is submitted along")
	fl.StringVar(&f.reportData, "report-data", "", "what to bind instead: up to 32 bytes in hex, 64 without --challenge, filled up with zeros")
	fl.StringVar(&f.runtimeData, "runtime-data", "", "file to submit along, whose SHA-256 is bound unless --report-data is given")
	fl.StringVar(&f.url, "url", "", "where the enclave serves")
	fl.Var(&f.validFor, "valid-for", "how long you vouch for each attestation, such as 48h or 30d (default: the network's)")
	fl.Var(&f.every, "every", "how often to attest at least (default: as the record's end demands)")
	fl.Var(&f.margin, "margin", "how long before the record's end to attest again (default: a third of what is left)")
	fl.Var(&f.keepFor, "keep-for", "for how long to keep the enclave attested (default: until told to stop)")
	fl.BoolVar(&f.challenge, "challenge", true, "bind a recent block in the second half of the report data, which shows that the evidence is fresh")
	fl.BoolVar(&f.revive, "revive", false, "attest again what was withdrawn")
}

// span is a duration that may be given in days.
type span time.Duration

var _ pflag.Value = (*span)(nil)

// maxDays keeps a number of days within what a duration can hold.
const maxDays = 36500

// Set reads a duration such as 90s, 48h or 30d.
func (s *span) Set(text string) error {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		d = time.Duration(n) * 24 * time.Hour
		if n > maxDays {
			err = errors.New("too long")
		}
	}
	if err != nil || d < 0 {
		return fmt.Errorf("%q is no duration such as 90s, 48h or 30d", text)
	}
	*s = span(d)
	return nil
}

// String returns what [span.Set] reads; nothing for none.
func (s *span) String() string {
	if *s == 0 {
		return ""
	}
	return time.Duration(*s).String()
}

// Type names it in help.
func (s *span) Type() string { return "duration" }

// wrong says what is wrong with one setting, and where it is.
func (f *enclaveFlags) wrong(flag, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if line := f.lines[flag]; line > 0 {
		return usageError{&settingsError{f.file, line, fmt.Errorf("%s: %w", flag, err)}}
	}
	return usagef("--%s: %w", flag, err)
}

// check refuses what cannot be meant.
func (f *enclaveFlags) check() error {
	var data [64]byte
	switch err := record.CheckURL(f.url); {
	case err != nil:
		return f.wrong("url", "%s", rats.AsError(err).Detail)
	case f.validFor > 0 && f.margin >= f.validFor:
		return f.wrong("margin", "%s leaves nothing of the %s that an attestation is valid for", &f.margin, &f.validFor)
	case f.key != "" && f.reportData != "":
		return f.wrong("report-data", "a key is bound instead: choose one")
	case f.key != "" && f.runtimeData != "":
		return f.wrong("runtime-data", "a key is bound instead: choose one")
	case f.key == "-" || f.runtimeData == "-":
		return f.wrong(map[bool]string{true: "key", false: "runtime-data"}[f.key == "-"], "an agent reads files, and no standard input")
	case fillHex(data[:], "", f.reportData, false) != nil:
		return f.wrong("report-data", "not up to 64 bytes in hex")
	case f.challenge && [32]byte(data[32:]) != [32]byte{}:
		return f.wrong("report-data", "its second half is for the challenge, and there is something in it")
	}
	return nil
}

// placed says in which line of a file the setting is that an error begins with.
func (f *enclaveFlags) placed(err error) error {
	flag, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "--"), " ")
	flag = strings.TrimSuffix(flag, ":")
	var usage usageError
	if line := f.lines[flag]; line > 0 && errors.As(err, &usage) {
		return usageError{&settingsError{f.file, line, err}}
	}
	return err
}

// fault says of an error in which file it is.
func (f *enclaveFlags) fault(err error) error {
	var line *settingsError
	if f.file == "" || errors.As(err, &line) {
		return err
	}
	var usage usageError
	if errors.As(err, &usage) {
		return usageError{fmt.Errorf("%s: %w", f.file, err)}
	}
	return fmt.Errorf("%s: %w", f.file, err)
}

// describedEnclaves returns the enclaves of the files that --enclave names, or the
// one of the flags where it names none.
func (a *app) describedEnclaves(fl *pflag.FlagSet, f *agentFlags) ([]enclaveFlags, error) {
	if len(f.enclaves) == 0 {
		one := f.enclave
		if one.name == "" {
			one.name = "enclave"
		}
		return []enclaveFlags{one}, nil
	}
	out := make([]enclaveFlags, len(f.enclaves))
	var faults []error
	named := map[string]string{}
	for i, file := range f.enclaves {
		if err := a.readEnclave(file, fl, &out[i]); err != nil {
			faults = append(faults, err)
			continue
		}
		if other, taken := named[out[i].name]; taken {
			faults = append(faults, hinted{usagef("%s: the enclave of %s is called %q too", file, other, out[i].name), "name it by ATTESTEER_NAME in its file"})
		}
		named[out[i].name] = file
	}
	return out, errors.Join(faults...)
}

// readEnclave reads a file of one enclave's settings. What it leaves out is as
// the flags say, but for the name.
func (a *app) readEnclave(file string, fl *pflag.FlagSet, out *enclaveFlags) error {
	own := &cobra.Command{Use: "enclave"}
	out.register(own.Flags())
	out.file, out.lines = file, map[string]int{}
	settings, faults := readSettings(file)
	for _, s := range settings {
		name := settingFlag(s.key)
		err := a.settle(own, s, file, map[string]string{})
		if own.Flags().Lookup(name) == nil && (fl.Lookup(name) != nil || isAgents(environmentName(name))) {
			err = fmt.Errorf("%s is the agent's, and no single enclave's", s.key)
		}
		if err != nil {
			faults = append(faults, usageError{&settingsError{file, s.line, err}})
		}
		out.lines[name] = s.line
	}
	own.Flags().VisitAll(func(mine *pflag.Flag) {
		given := fl.Lookup(mine.Name)
		if mine.Changed || given == nil || !given.Changed || mine.Name == "name" {
			return
		}
		if err := own.Flags().Set(mine.Name, given.Value.String()); err != nil {
			faults = append(faults, usagef("--%s: %w", mine.Name, err))
		}
	})
	if out.name == "" {
		out.name = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	}
	return errors.Join(faults...)
}

// isAgents reports whether a variable without a flag is for the whole agent.
func isAgents(variable string) bool {
	name := strings.TrimSuffix(variable, "_FILE")
	return name == apiKeyVariable || name == tokenVariable
}

// enclaveOf returns the enclave that flags describe.
func (a *app) enclaveOf(f *enclaveFlags) (*agent.Enclave, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	attest, err := a.openAttester(f.teeFlags)
	if err != nil {
		return nil, f.placed(err)
	}
	out := &agent.Enclave{
		Name: f.name, Attest: advised(attest), URL: f.url, ValidFor: time.Duration(f.validFor), Every: time.Duration(f.every),
		Margin: time.Duration(f.margin), KeepFor: time.Duration(f.keepFor), Unbound: !f.challenge, Revive: f.revive,
	}
	return out, a.bindTo(f, out)
}

// bindTo settles what an enclave is bound to, and what is submitted along.
func (a *app) bindTo(f *enclaveFlags, out *agent.Enclave) error {
	if err := fillHex(out.ReportData[:], "--report-data", f.reportData, false); err != nil {
		return err
	}
	switch {
	case f.key != "":
		raw, err := a.readInput(f.key)
		if err != nil {
			return f.wrong("key", "%w", err)
		}
		half, err := a.keyHalf(f.key)
		if err != nil {
			return f.wrong("key", "%w", err)
		}
		copy(out.ReportData[:], half[:])
		if half == sha256.Sum256(raw) {
			out.RuntimeData = raw
		}
	case f.runtimeData != "":
		raw, err := a.readInput(f.runtimeData)
		if err != nil {
			return f.wrong("runtime-data", "%w", err)
		}
		if out.RuntimeData = raw; f.reportData == "" {
			sum := sha256.Sum256(raw)
			copy(out.ReportData[:], sum[:])
		}
	}
	return nil
}

// isSimulatedTEE reports whether what makes evidence is simulated.
func isSimulatedTEE(tee string) bool { return tee == simSGX || tee == simTDX || tee == simEPID }
