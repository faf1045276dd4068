// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/attesteer/attesteer/endorse/qcnl"
	"github.com/attesteer/attesteer/rats"
)

func (a *app) pccsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pccs",
		Short: "Caches of Intel's certificates and endorsements, and the clients that ask them",
		Args:  cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.pccsServe(), a.pccsToken(), a.pccsHealth(), a.pccsCheckConf(), a.pccsExplain(),
		a.pccsImport(), a.pccsExport(), a.pccsFetch(), a.pccsDiff(), a.pccsPlatforms(), a.pccsForecast(), a.pccsLog())
	return cmd
}

func (a *app) pccsCheckConf() *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "check-conf [FILE]",
		Short: "Say what Intel's client would do with its configuration file",
		Long: `check-conf reads sgx_default_qcnl.conf as Intel's quote collateral library (QCNL)
reads it, and says what that would do: each setting and where it comes from,
what it would pass over in silence, and what it would ask of whom. Nothing is
asked.

Without FILE it is the one that the library would take: that of QCNL_CONF_PATH,
else /etc/sgx_default_qcnl.conf. Values of headers and parameters are not shown.

Exit code 0: the library does what the file says, perhaps with warnings.
14: something in the file is not read as it is written, or cannot work; with
--strict also if there is a warning.`,
		Example: `  attesteer pccs check-conf /etc/sgx_default_qcnl.conf
  attesteer pccs check-conf --strict --json ./qcnl.conf`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			name := a.getenv(qcnl.PathVariable)
			if name == "" {
				name = qcnl.DefaultPath
			}
			if len(args) == 1 {
				name = args[0]
			}
			return a.checkConf(name, strict)
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "let warnings count as errors")
	return cmd
}

// confReport is what check-conf prints.
type confReport struct {
	Schema   string         `json:"schema"`
	File     string         `json:"file"`
	Form     qcnl.Form      `json:"form"`
	OK       bool           `json:"ok"`
	Fault    *confFault     `json:"fault"`
	Settings []confSetting  `json:"settings"`
	Findings []qcnl.Finding `json:"findings"`
	Requests []qcnl.Request `json:"requests"`
}

// confFault is why a file is not read as JSON.
type confFault struct {
	qcnl.Position
	Detail string `json:"detail"`
}

// confSetting is one option as the library has it. Position is nil where it has
// its default.
type confSetting struct {
	Option   string         `json:"option"`
	Value    string         `json:"value"`
	Position *qcnl.Position `json:"position"`
}

func (a *app) checkConf(name string, strict bool) error {
	src, err := a.readInput(name)
	if err != nil {
		return err
	}
	c := qcnl.Read(src)
	findings := slices.Concat([]qcnl.Finding{}, c.Findings)
	if st, err := os.Lstat(name); name != "-" && err == nil && st.Mode()&os.ModeSymlink != 0 {
		findings = append(findings, qcnl.Finding{Level: qcnl.Warning, Detail: "is a symbolic link: releases of the library since 2026 take no JSON from one, and have every option at its default without a word"})
	}
	bad := c.Fault != nil || slices.ContainsFunc(findings, func(f qcnl.Finding) bool {
		return f.Level == qcnl.Error || strict && f.Level == qcnl.Warning
	})
	report := confReport{
		Schema: "attesteer/qcnl/v1", File: name, Form: c.Form, OK: !bad,
		Settings: confSettings(c), Findings: findings, Requests: c.Requests(),
	}
	if c.Fault != nil {
		report.Fault = &confFault{c.FaultAt, c.Fault.Detail}
	}
	for i := range report.Requests {
		report.Requests[i].URL = withoutUser(report.Requests[i].URL)
	}
	if a.asJSON {
		if err := a.printJSON(report); err != nil {
			return err
		}
	} else {
		a.printConf(report)
	}
	switch {
	case c.Fault != nil:
		return hinted{rats.Errorf(rats.Malformed, "%s: %s", name, c.Fault.Detail), "Intel's client goes on without the file, and says so in its log alone"}
	case bad:
		return rats.Errorf(rats.Malformed, "%s: not all of it is read as it is written", name)
	}
	return nil
}

// printConf prints a report for people.
func (a *app) printConf(r confReport) {
	a.printf("%s is read as %s\n\nsettings\n", r.File, map[qcnl.Form]string{qcnl.JSON: "JSON", qcnl.Legacy: "lines of KEY=value"}[r.Form])
	for _, s := range r.Settings {
		from := "default"
		if s.Position != nil {
			from = "line " + strconv.Itoa(s.Position.Line)
		}
		a.printf("  %-38s %-10s %s\n", s.Option, from, cmp.Or(s.Value, "none"))
	}
	a.printf("\nwhat is asked for\n")
	for _, q := range r.Requests {
		a.printf("  %-22s %s\n", q.For, q.URL)
		for _, h := range q.Headers {
			a.printf("  %-22s with header %s\n", "", h)
		}
	}
	if len(r.Findings) > 0 {
		a.printf("\nfindings\n")
	}
	for _, f := range r.Findings {
		a.printf("  %s\n", confFinding(r.File, f))
	}
}

// confFinding is a finding as one line: LEVEL: FILE:LINE:COLUMN: OPTION DETAIL.
func confFinding(name string, f qcnl.Finding) string {
	where := name
	if f.Position != nil {
		where += ":" + f.Position.String()
	}
	what := f.Detail
	if f.Option != "" {
		what = f.Option + " " + what
	}
	return fmt.Sprintf("%s: %s: %s", f.Level, where, what)
}

// confSettings returns every option as people read it.
func confSettings(c *qcnl.Config) []confSetting {
	number := func(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }
	custom := ""
	for _, pairs := range []struct {
		what string
		list []qcnl.Pair
	}{{"header", c.Headers}, {"parameter", c.Params}} {
		for _, p := range pairs.list {
			if custom != "" {
				custom += ", "
			}
			custom += pairs.what + " " + p.Name
		}
	}
	values := map[string]string{
		qcnl.PCCSURL: withoutUser(c.PCCSURL), qcnl.CollateralService: withoutUser(c.CollateralService),
		qcnl.LocalPCKURL: withoutUser(c.LocalPCKURL), qcnl.UseSecureCert: strconv.FormatBool(c.UseSecureCert),
		qcnl.APIVersion: c.APIVersion, qcnl.TCBUpdateType: c.TCBUpdateType,
		qcnl.RetryTimes: strconv.Itoa(c.RetryTimes), qcnl.RetryDelay: strconv.Itoa(c.RetryDelay),
		qcnl.PCKCacheHours: number(c.PCKCacheHours), qcnl.CollateralCacheHours: number(c.CollateralCacheHours),
		qcnl.CustomRequestOptions: custom, qcnl.LocalCacheOnly: strconv.FormatBool(c.LocalCacheOnly),
	}
	var out []confSetting
	for _, option := range qcnl.Options() {
		s := confSetting{Option: option, Value: values[option]}
		if p, ok := c.Set[option]; ok {
			s.Position = &p
		}
		out = append(out, s)
	}
	return out
}

func (a *app) pccsExplain() *cobra.Command {
	return &cobra.Command{
		Use:   "explain CODE",
		Short: "Say what a code of Intel's quote libraries means",
		Long: `explain says what a number such as 0xe019 means, by which Intel's quote libraries
(QCNL, QPL, QVL) say what went wrong, and what to do about it.`,
		Example: `  attesteer pccs explain 0xe019
  attesteer pccs explain SGX_QL_TCBINFO_NOT_FOUND`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			code, ok := qcnl.Explain(args[0])
			if !ok {
				return rats.Errorf(rats.NotFound, "%q is no code that is known here", args[0])
			}
			number := fmt.Sprintf("%#x", code.Number)
			if a.asJSON {
				return a.printJSON(struct {
					Number string `json:"code"`
					qcnl.Code
				}{number, code})
			}
			a.printf("%s %s\n%s\n", number, code.Name, code.Means)
			if code.Try != "" {
				a.printf("try: %s\n", code.Try)
			}
			return nil
		},
	}
}
