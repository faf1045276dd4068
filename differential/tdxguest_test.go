// SPDX-License-Identifier: Apache-2.0

package differential_test

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/google/go-tdx-guest/abi"
	"github.com/google/go-tdx-guest/pcs"
	"github.com/google/go-tdx-guest/verify"
)

// The names of the headers in which Intel's service sends issuers' certificates.
var (
	tcbInfoChain    = pcs.TcbInfoIssuerChainPhrase
	qeIdentityChain = pcs.SgxQeIdentityIssuerChainPhrase
	pckCRLChain     = pcs.SgxPckCrlIssuerChainPhrase
)

// tdxGuest is github.com/google/go-tdx-guest with every check switched on.
type tdxGuest struct{}

func (tdxGuest) name() string { return "go-tdx-guest" }

// policy: it accepts UpToDate alone, and leaves debug to another package of its
// own.
func (tdxGuest) policy(*sample) attesteer.Policy { return attesteer.Policy{AllowDebug: true} }

func (tdxGuest) judge(s *sample) verdict {
	q, err := abi.QuoteToProto(s.quote)
	if err != nil {
		return verdict{err: err}
	}
	options, err := tdxGuestOptions(s)
	if err != nil {
		return verdict{err: err}
	}
	err = verify.TdxQuote(q, options)
	// The statuses are judged last; until then no level is looked for.
	if err != nil && !strings.Contains(err.Error(), "failed TCB status check") {
		return verdict{err: err}
	}
	return verdict{accepted: err == nil, status: tdxGuestStatus(q, options), err: err}
}

// tdxGuestStatus returns the status that its verification went by: that of the
// platform or the module, and if that is up to date the quoting enclave's.
func tdxGuestStatus(q any, options *verify.Options) rats.TCBStatus {
	platform, enclave, err := verify.SupportedTcbLevelsFromCollateral(q, options)
	switch {
	case err != nil:
		return rats.NotSupported
	case platform.TcbStatus != pcs.TcbComponentStatusUpToDate:
		return rats.TCBStatus(platform.TcbStatus)
	default:
		return rats.TCBStatus(enclave.TcbStatus)
	}
}

// tdxGuestOptions returns the options under which it checks all that it can.
func tdxGuestOptions(s *sample) (*verify.Options, error) {
	root, err := x509.ParseCertificate(s.root)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	return &verify.Options{
		GetCollateral: true, CheckRevocations: true, TrustedRoots: roots, Getter: serviceOf(s),
		Now: &verify.TimeSet{PckCertChain: s.at, TcbInfo: s.at, QeIdentity: s.at, PckCrl: s.at, RootCaCrl: s.at},
	}, nil
}

// service answers as Intel's service would, from memory.
type service []answer

type answer struct {
	address string // a part that no other address has
	header  map[string][]string
	body    []byte
}

func serviceOf(s *sample) service {
	chain := func(name string, issuer []byte) map[string][]string {
		return map[string][]string{name: {url.QueryEscape(string(pemText(issuer, s.root)))}}
	}
	return service{
		{"/tcb?fmspc=", chain(tcbInfoChain, s.tcbSigner), s.tcbInfo},
		{"/qe/identity", chain(qeIdentityChain, s.qeSigner), s.qeIdentity},
		{"/pckcrl?ca=", chain(pckCRLChain, s.pckCA), s.pckCRL},
		{"/IntelSGXRootCA.der", nil, s.rootCRL},
	}
}

// Get implements trust.HTTPSGetter.
func (s service) Get(address string) (map[string][]string, []byte, error) {
	for _, a := range s {
		if strings.Contains(address, a.address) {
			return a.header, a.body, nil
		}
	}
	return nil, nil, fmt.Errorf("nothing at %s", address)
}

// issueDate returns the date of a TCB info.
func issueDate(t testing.TB, body []byte) time.Time {
	t.Helper()
	_, rest, _ := strings.Cut(string(body), `"issueDate":"`)
	date, _, ok := strings.Cut(rest, `"`)
	at, err := time.Parse(time.RFC3339, date)
	if !ok || err != nil {
		t.Fatalf("issue date %q: %v", date, err)
	}
	return at
}
