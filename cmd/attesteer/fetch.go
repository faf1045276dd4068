// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
)

// serviceFlags say how a vendor's service is asked.
type serviceFlags struct {
	tlsCA         string
	unsafeSkipTLS bool
}

func (f *serviceFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.tlsCA, "endorsements-tls-ca", "", "certificates in PEM that vouch for the service that endorsements are fetched from (default: the system's)")
	fl.BoolVar(&f.unsafeSkipTLS, "unsafe-endorsements-skip-tls", false, "fetch endorsements over TLS that nobody vouches for, or over plain http")
}

// openService returns the service at a URL, which is asked for nothing yet.
func (a *app) openService(base string, f serviceFlags, cfg endorse.PCSConfig) (*endorse.PCS, error) {
	cfg.Base, cfg.Now, cfg.Random = base, time.Now, rand.Float64
	cfg.Proxy, cfg.UnsafeSkipTLS = http.ProxyFromEnvironment, f.unsafeSkipTLS
	var err error
	if cfg.RootCAs, err = f.rootCAs(); err != nil {
		return nil, err
	}
	if takesKey(base) {
		key, err := a.secret(apiKeyVariable)
		if err != nil {
			return nil, err
		}
		cfg.APIKey = key
	}
	service, err := endorse.NewPCS(cfg)
	if err != nil {
		return nil, usagef("%s", rats.AsError(err).Detail)
	}
	return service, nil
}

// rootCAs returns what vouches for services; nil stands for the system's.
func (f serviceFlags) rootCAs() (*x509.CertPool, error) {
	if f.tlsCA == "" {
		return nil, nil //nolint:nilnil // as in [crypto/tls.Config]
	}
	b, err := os.ReadFile(f.tlsCA)
	if err != nil {
		return nil, fileError("read", f.tlsCA, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, usagef("--endorsements-tls-ca %s: no certificate in PEM", f.tlsCA)
	}
	return pool, nil
}

// takesKey reports whether a service may be told the key of a subscription:
// Intel's, which gave it out, and what stands in for it on this machine.
func takesKey(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	host := u.Hostname()
	return u.Scheme == "https" && strings.HasSuffix(host, ".trustedservices.intel.com") ||
		host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// waiting says on a terminal, after a second, what takes so long. The function
// that it returns ends that.
func (a *app) waiting(what string) (done func()) {
	file, ok := a.stderr.(*os.File)
	if !ok {
		return func() {}
	}
	if st, err := file.Stat(); err != nil || st.Mode()&os.ModeCharDevice == 0 {
		return func() {}
	}
	timer := time.AfterFunc(time.Second, func() { a.sayf("%s …", what) })
	return func() { timer.Stop() }
}

type fetchFlags struct {
	serviceFlags
	out, home, evaluation string
	from, cas, tees       []string
	numbers, simulated    bool
}

func (a *app) endorsementsFetch() *cobra.Command {
	var f fetchFlags
	cmd := &cobra.Command{
		Use:   "fetch FMSPC",
		Short: "Fetch a platform's endorsements from Intel or from a PCCS",
		Long: `fetch asks a service for all that an appraisal of quotes from a platform needs:
TCB info, QE identity, and the revocation lists of the root and of the PCK CAs.
Each answer is checked up to a pinned root; of several sources' answers the one
issued last counts. They are kept in the node's home,
where serve finds them, or with -o in a folder.

FMSPC is the platform's family, as "attesteer inspect" shows it. A key for
Intel's service is optional, and taken from ATTESTEER_PCS_API_KEY or the file
that ATTESTEER_PCS_API_KEY_FILE names. It succeeds if anything was fetched.`,
		Example: `  attesteer endorsements fetch 00606a000000 -o ./collateral
  attesteer endorsements fetch b0c06f000000 --tee tdx --ca platform -o ./collateral
  attesteer endorsements fetch 00606a000000 --from https://localhost:8081/sgx/certification/v4/
  attesteer endorsements fetch 00606a000000 --from azure --from intel`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.fetch(cmd.Context(), args[0], f) },
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&f.from, "from", []string{"intel"}, "who is asked: "+askedUsage+" (repeatable: the next where those before have nothing that holds)")
	fl.StringVarP(&f.out, "out", "o", "", "folder to write to (default: the node's)")
	fl.StringVar(&f.home, "home", a.defaultHome(), "folder of the node")
	fl.StringSliceVar(&f.cas, "ca", []string{endorse.PlatformCA, endorse.ProcessorCA}, "PCK CAs whose revocation lists to fetch: platform, processor")
	fl.StringSliceVar(&f.tees, "tee", []string{string(rats.SGX)}, "what the platform is used for: sgx, tdx")
	fl.StringVar(&f.evaluation, "evaluation-number", "standard", "N, standard or early: which TCB evaluation")
	fl.BoolVar(&f.numbers, "numbers", false, "also the list of TCB evaluation numbers, which a PCCS does not have")
	fl.BoolVar(&f.simulated, "trust-simulated", false, "also take the word of the simulated root")
	f.register(fl)
	return cmd
}

func (a *app) fetch(ctx context.Context, fmspc string, f fetchFlags) error {
	documents, err := f.documents(fmspc)
	if err != nil {
		return err
	}
	sources, err := a.openFetchers(f)
	defer func() {
		for _, s := range sources {
			s.close()
		}
	}()
	if err != nil {
		return err
	}
	done := a.waiting("asking for endorsements")
	var items []rats.Endorsement
	var first error
	names := make(map[[32]byte]string)
	for _, d := range documents {
		e, from, err := a.fetchOne(ctx, d, sources)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if from == "" {
			first = cmp.Or(first, err)
			continue
		}
		items = append(items, e)
		names[e.Digest()] = from
	}
	done()
	if len(items) == 0 {
		return rats.Errorf(rats.KindOf(first), "nothing was fetched from %s", strings.Join(f.from, ", "))
	}
	out := f.out
	if out == "" {
		out = homeEndorsements(f.home)
	}
	if _, err := endorse.WriteFolder(out, items); err != nil {
		return fileError("write", out, err)
	}
	return a.printEndorsements(items, trustedRoots(f.simulated), "fetched", names)
}

// documents returns what to ask for, most needed first.
func (f fetchFlags) documents(fmspc string) ([]endorse.Document, error) {
	raw, err := hex.DecodeString(strings.TrimPrefix(strings.ToLower(fmspc), "0x"))
	if err != nil || len(raw) != 6 {
		return nil, hinted{usagef("FMSPC: %q is not 12 hex digits", fmspc), "attesteer inspect FILE shows that of a quote"}
	}
	number, err := parseEvaluationNumber(f.evaluation)
	if err != nil {
		return nil, err
	}
	var out []endorse.Document
	for _, name := range f.tees {
		tee := rats.TEE(strings.ToLower(name))
		if tee != rats.SGX && tee != rats.TDX {
			return nil, usagef("--tee: %q is neither sgx nor tdx", name)
		}
		out = append(out, teeDocuments(tee, [6]byte(raw), number, f.numbers)...)
	}
	out = append(out, endorse.Document{Kind: rats.RootCACRL})
	for _, ca := range f.cas {
		if ca = strings.ToLower(ca); !slices.Contains([]string{endorse.PlatformCA, endorse.ProcessorCA}, ca) {
			return nil, usagef("--ca: %q is neither platform nor processor", ca)
		}
		out = append(out, endorse.Document{Kind: rats.PCKCRL, CA: ca})
	}
	return out, nil
}

func teeDocuments(tee rats.TEE, fmspc [6]byte, number dcap.EvaluationNumber, numbers bool) []endorse.Document {
	out := []endorse.Document{
		{Kind: rats.TCBInfo, TEE: tee, FMSPC: fmspc, Evaluation: number},
		{Kind: rats.QEIdentity, TEE: tee, Evaluation: number},
	}
	if numbers {
		out = append(out, endorse.Document{Kind: rats.EvaluationNumbers, TEE: tee})
	}
	return out
}
