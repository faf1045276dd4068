// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// askOther has another program judge a case, and returns the first line of what
// it says to people. The error says why there is no verdict.
func (a *app) askOther(ctx context.Context, c *conformanceCase, f conformanceFlags) (*verdict, string, error) {
	top, err := os.MkdirTemp("", "attesteer-conformance-")
	if err != nil {
		return nil, "", err
	}
	defer os.RemoveAll(top) //nolint:errcheck // what is left lies in the folder for what is temporary
	dir := filepath.Join(top, filepath.Base(c.Family), filepath.Base(c.Name))
	if err := a.layOut(c, dir); err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	words := strings.Fields(f.command)
	cmd := exec.CommandContext(ctx, words[0], append(words[1:], dir)...) //nolint:gosec // to run it is what --exec is for
	var stdout, stderr bounded
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, "", fmt.Errorf("%s: no answer: %w", words[0], ctx.Err())
	case err == nil:
	case !errors.As(err, &exit):
		return nil, "", err
	case exit.ExitCode() < 0:
		return nil, "", fmt.Errorf("%s: %w", words[0], err)
	}
	said, _, _ := strings.Cut(strings.TrimSpace(stderr.kept.String()), "\n")
	return readVerdict(cmd.ProcessState.ExitCode(), stdout.kept.Bytes()), said, nil
}

// bounded keeps the beginning of what is written to it. The buffer has a name: one
// that is embedded would lend io.Copy its ReadFrom, which has no bound.
type bounded struct{ kept bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxInput - b.kept.Len(); room > 0 {
		b.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// readVerdict reads what a program answered by its exit code and, if it is a
// JSON object that says something of the kind, its output.
func readVerdict(exit int, output []byte) *verdict {
	v := &verdict{Exit: exit, Accepted: exit == 0}
	var said struct {
		Kind   *string `json:"kind"`
		Status *string `json:"status"`
		TCB    *struct {
			Status *string `json:"status"`
		} `json:"tcb"`
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(output, &members) != nil || json.Unmarshal(output, &said) != nil {
		return v
	}
	_, v.saysKind = members["kind"]
	v.Kind, v.Status = said.Kind, said.Status
	if v.Status == nil && said.TCB != nil {
		v.Status = said.TCB.Status
	}
	v.saysStatus = v.Status != nil
	return v
}

// plainName names the files of an endorsement in the folder that another program
// gets.
func plainName(kind rats.EndorsementKind) (body, issuers string) {
	switch kind {
	case rats.TCBInfo:
		return "tcb_info.json", "tcb_signing_chain.pem"
	case rats.QEIdentity:
		return "qe_identity.json", "qe_identity_issuer_chain.pem"
	case rats.EvaluationNumbers:
		return "tcb_evaluation_numbers.json", "tcb_evaluation_numbers_issuer_chain.pem"
	case rats.RootCACRL:
		return "root_ca.crl", ""
	case rats.PCKCRL:
		return "pck.crl", "pck_crl_issuer_chain.pem"
	case rats.PCKCertificate:
		return "pck_certificate.der", "pck_certificate_issuer_chain.pem"
	default:
		return string(kind), string(kind) + ".pem"
	}
}

// layOut writes a case into a folder of its own, each file under a plain name,
// and its manifest with these names and without what is expected of it.
func (a *app) layOut(c *conformanceCase, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	put := func(from, to string) error {
		data, err := a.readInput(c.path(from))
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, to), data, 0o600)
	}
	out := *c
	out.Expected, out.Result, out.Root, out.Evidence = expected{}, nil, "root.pem", "evidence.bin"
	if err := errors.Join(put(c.Root, out.Root), put(c.Evidence, out.Evidence)); err != nil {
		return err
	}
	out.Endorsements = make([]caseEndorsement, len(c.Endorsements))
	count := map[rats.EndorsementKind]int{}
	for i, e := range c.Endorsements {
		count[e.Kind]++
		body, issuers := plainName(e.Kind)
		to := caseEndorsement{Kind: e.Kind, Body: ordinal(body, count[e.Kind])}
		if e.Issuers != "" {
			to.Issuers = ordinal(issuers, count[e.Kind])
			if err := put(e.Issuers, to.Issuers); err != nil {
				return err
			}
		}
		if err := put(e.Body, to.Body); err != nil {
			return err
		}
		out.Endorsements[i] = to
	}
	data, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, manifestName), append(data, '\n'), 0o600)
}

// ordinal tells the second file of a kind, and those after it, from the first.
func ordinal(name string, n int) string {
	if n == 1 {
		return name
	}
	ext := path.Ext(name)
	return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), n, ext)
}
