// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A file of settings has a line for each: its variable, an equals sign and its
// value, such as
//
//	# what the node is told
//	ATTESTEER_NETWORK=main
//	ATTESTEER_ENDORSEMENTS=https://pccs.example,/srv/collateral
//
// The flag's own name without its dashes, as in tls-cert=server.pem, is as good.
// A file that systemd reads as an environment is one, and what the two would read
// otherwise is refused. A setting counts less than its variable and its flag.

// maxSettings bounds a file of settings, in bytes.
const maxSettings = 64 << 10

// setting is one line of a file.
type setting struct {
	line       int
	key, value string
}

// settingsError is what is wrong with a line.
type settingsError struct {
	path string
	line int
	err  error
}

func (e *settingsError) Error() string { return fmt.Sprintf("%s:%d: %s", e.path, e.line, e.err) }
func (e *settingsError) Unwrap() error { return e.err }

// readSettings returns the settings of a file, and what is wrong with others.
func readSettings(path string) ([]setting, []error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, []error{usageError{fileError("read", path, err)}}
	}
	defer f.Close() //nolint:errcheck // it was only read
	st, err := f.Stat()
	if err == nil && st.Mode().Perm()&0o002 != 0 {
		return nil, []error{hinted{usagef("%s: anybody may change it", path), "chmod o-w " + path}}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSettings+1))
	switch {
	case err != nil:
		return nil, []error{usageError{fileError("read", path, err)}}
	case len(b) > maxSettings:
		return nil, []error{usagef("%s: over %d bytes", path, maxSettings)}
	case !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0:
		return nil, []error{usagef("%s: no text in UTF-8", path)}
	}
	return parseSettings(path, string(b))
}

func parseSettings(path, text string) (out []setting, faults []error) {
	for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		s, err := parseSetting(line)
		s.line = i + 1
		if err == nil {
			if j := slices.IndexFunc(out, func(o setting) bool { return settingFlag(o.key) == settingFlag(s.key) }); j >= 0 {
				err = fmt.Errorf("%s is set already, in line %d", s.key, out[j].line)
			}
		}
		if err != nil {
			faults = append(faults, usageError{&settingsError{path, i + 1, err}})
			continue
		}
		out = append(out, s)
	}
	return out, faults
}

func parseSetting(line string) (setting, error) {
	key, value, ok := strings.Cut(line, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	switch {
	case !ok:
		return setting{}, errors.New("no equals sign: a line is NAME=VALUE")
	case key == "" || strings.ContainsAny(key, " \t\"'"):
		return setting{}, errors.New("no name before the equals sign")
	}
	if n := len(value); n > 1 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		value = value[1 : n-1]
		if strings.ContainsRune(value, '\\') || strings.ContainsAny(value, `"'`) {
			return setting{}, errors.New("a quoted value holds neither quotes nor backslashes")
		}
	} else if strings.ContainsAny(value, `"'`) || strings.HasSuffix(value, `\`) {
		return setting{}, errors.New("quotes stand around a whole value, and no line goes on in the next")
	}
	return setting{key: key, value: value}, nil
}

// settingFlag returns the flag that a name in a file stands for.
func settingFlag(key string) string {
	if rest, ok := strings.CutPrefix(key, environmentPrefix); ok {
		key = strings.ToLower(rest)
	}
	return strings.ReplaceAll(key, "_", "-")
}

// fromFile sets each flag of cmd that neither the command line nor the
// environment gave from the file that --config names, if it has that flag.
func (a *app) fromFile(cmd *cobra.Command) []error {
	file := cmd.Flags().Lookup(configFlag)
	if file == nil || file.Value.String() == "" {
		return nil
	}
	path := file.Value.String()
	settings, faults := readSettings(path)
	handed := make(map[string]string)
	for _, s := range settings {
		err := a.settle(cmd, s, fmt.Sprintf("%s:%d", path, s.line), handed)
		if err != nil {
			faults = append(faults, usageError{&settingsError{path, s.line, err}})
		}
	}
	if len(handed) > 0 {
		environment := a.getenv
		a.getenv = func(name string) string {
			if v := environment(name); v != "" {
				return v
			}
			return handed[name]
		}
	}
	return faults
}

// settle puts one setting where it belongs. What has a variable and no flag goes
// into handed.
func (a *app) settle(cmd *cobra.Command, s setting, origin string, handed map[string]string) error {
	name := settingFlag(s.key)
	switch variable := environmentName(name); {
	case name == configFlag:
		return errors.New("a file of settings names no other")
	case variable == apiKeyVariable+"_FILE", variable == tokenVariable+"_FILE" && sendsToken(cmd):
		if s.value != "" {
			handed[variable] = s.value
		}
		return nil
	case variable == apiKeyVariable, variable == tokenVariable:
		err := fmt.Errorf("%s is secret, and stands in no file of settings", s.key)
		if variable == tokenVariable && !sendsToken(cmd) {
			return err
		}
		return hinted{err, "give " + variable + "_FILE, the name of a file that holds it"}
	}
	f := cmd.Flags().Lookup(name)
	if f == nil || f.Name == "help" || s.key != f.Name && s.key != environmentName(f.Name) {
		return unknownSetting(cmd, s.key)
	}
	if f.Changed || s.value == "" {
		return nil
	}
	if err := cmd.Flags().Set(f.Name, s.value); err != nil {
		return fmt.Errorf("%s: %w", s.key, err)
	}
	annotate(f, originAnnotation, origin)
	return nil
}

// unknownSetting names what may be meant by a name that means nothing.
func unknownSetting(cmd *cobra.Command, key string) error {
	best, nearest := "", 3
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		for _, name := range []string{f.Name, environmentName(f.Name)} {
			if d := distance(key, name); d < nearest {
				best, nearest = name, d
			}
		}
	})
	err := fmt.Errorf("%s is no setting of this command", key)
	if best != "" {
		return hinted{err, "is " + best + " meant?"}
	}
	return err
}

// configFlag names a file of settings.
const configFlag = "config"
