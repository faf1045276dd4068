// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/secretfile"
)

// Variables by which images of Intel's service are told what is secret. Each may
// also be given as NAME_FILE, which names a file that holds it.
const (
	containerAPIKey = "APIKEY"
	containerUser   = "USERPASS"
	containerAdmin  = "ADMINPASS"
)

// What tokens of a PCCS are for.
const (
	pccsUser  = "user"
	pccsAdmin = "admin"
)

// pccsTokenFlags name the files of hashes.
type pccsTokenFlags struct{ user, admin string }

func (f *pccsTokenFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.user, "user-token-file", "", "SHA-512 of tokens that may register platforms, in hex, one a line (default: config/pccs-user-tokens in the home)")
	fl.StringVar(&f.admin, "admin-token-file", "", "the same of tokens that may change or list what is kept (default: config/pccs-admin-tokens in the home)")
}

// pccsTokenFile is where a home keeps the hashes.
func pccsTokenFile(home, role string) string {
	return filepath.Join(home, "config", "pccs-"+role+"-tokens")
}

// pccsTokens returns the hashes of tokens that are taken. A file that is damaged
// is a warning, and takes none: reads go on.
func (a *app) pccsTokens(f pccsTokenFlags, home string) (user, admin pccs.TokenHashes, err error) {
	if user, err = a.tokensOf(pccsUser, f.user, home, containerUser); err != nil {
		return user, admin, err
	}
	admin, err = a.tokensOf(pccsAdmin, f.admin, home, containerAdmin)
	return user, admin, err
}

func (a *app) tokensOf(role, file, home, variable string) (pccs.TokenHashes, error) {
	var out pccs.TokenHashes
	named := file != ""
	if !named {
		file = pccsTokenFile(home, role)
	}
	b, _, err := secretfile.ReadHanded(file, maxSecret)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
	case errors.Is(err, secretfile.ErrMode):
		return out, err
	case err != nil:
		return out, usageError{err}
	default:
		if out, err = pccs.ParseTokenHashes(b); err != nil {
			a.sayf("warning: %s: %s; no token of it is taken", file, err)
		}
	}
	secret, err := a.secret(variable)
	if err != nil {
		return out, err
	}
	if secret != "" {
		out.Add(pccs.HashToken(secret))
	}
	if out.None() {
		a.sayf("warning: there is no %s token: whoever comes with one gets 401; attesteer pccs token %s makes one", role, role)
	}
	return out, nil
}

func (a *app) pccsToken() *cobra.Command {
	var home, file string
	cmd := &cobra.Command{
		Use:   "token user|admin",
		Short: "Make a token for a PCCS",
		Long: `token makes a token, prints it, and adds its SHA-512 to the file of those that are
taken: by "pccs serve" when it starts. The token itself is kept nowhere. User
tokens may register platforms, admin tokens may change and list what is kept.`,
		Example: `  attesteer pccs token user
  attesteer pccs token admin --token-file /etc/pccs/admin.sha512`,
		Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs), ValidArgs: []string{pccsUser, pccsAdmin},
		RunE: func(_ *cobra.Command, args []string) error { return a.makePCCSToken(args[0], home, file) },
	}
	cmd.Flags().StringVar(&home, "home", a.defaultHome(), "folder of the cache")
	cmd.Flags().StringVar(&file, "token-file", "", "file of hashes to add to (default: the home's)")
	return cmd
}

func (a *app) makePCCSToken(role, home, file string) error {
	if file == "" {
		file = pccsTokenFile(home, role)
	}
	b, _, err := secretfile.Read(file, maxSecret)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(b) > 0 && b[len(b)-1] != '\n' {
		b = append(b, '\n')
	}
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: it would end the process
	token := hex.EncodeToString(random[:])
	sum := sha512.Sum512([]byte(token))
	b = append(b, hex.EncodeToString(sum[:])+"\n"...)
	if _, err := pccs.ParseTokenHashes(b); err != nil {
		return secretfile.Fault(file, err)
	}
	if err := secretfile.Write(file, b); err != nil {
		return err
	}
	if a.asJSON {
		return a.printJSON(map[string]string{"role": role, "token": token, "file": file})
	}
	a.printf("%s\n", token)
	a.sayf("its hash is in %s; pccs serve reads it when it starts", file)
	return nil
}

func (a *app) pccsHealth() *cobra.Command {
	f := healthFlags{}
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a PCCS whether it is alive, for container engines and scripts",
		Long: `health asks the PCCS on this machine whether its process answers, and with --ready
whether its store does. It does not look at the certificate: nothing secret is
sent. Exit codes: 0 yes, 1 no.`,
		Example: `  attesteer pccs health
  attesteer pccs health --ready --listen 127.0.0.1:8082`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.healthcheck(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.listen, "listen", defaultPCCSListen, "the address that the cache on this machine was given")
	cmd.Flags().BoolVar(&f.ready, "ready", false, "also demand that its store answers")
	return cmd
}
