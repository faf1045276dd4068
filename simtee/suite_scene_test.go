// SPDX-License-Identifier: Apache-2.0

package simtee_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/quote"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// testCase is one case of the conformance suite: what is different from a
// platform, a vendor and a relying party with whom all is well, and what must
// come of it. The expectation is written by hand, by the clause, and never
// taken from what the verifier says.
type testCase struct {
	name, clause, text string
	want               want
	edits              []edit
	// note says where implementations are known to differ, and why this is right.
	note string
}

// family is cases that test one thing.
type family struct {
	name  string
	cases []testCase
}

// want is what must come of a case. An empty status is not looked at.
type want struct {
	kind   rats.Kind
	status rats.TCBStatus
}

// The expectations: accepted, refused for a kind of reason, or genuine at a
// status, which the strictest policy accepts only if it is UpToDate.
func accepted() want              { return want{rats.None, rats.UpToDate} }
func refused(kind rats.Kind) want { return want{kind: kind} }

func at(status rats.TCBStatus) want {
	switch status {
	case rats.UpToDate:
		return accepted()
	case rats.TCBRevoked:
		return want{rats.Revoked, status}
	default:
		return want{rats.TCBRejected, status}
	}
}

// scene is a case as it is being set: the PKI, a platform, what runs on it, and
// the relying party's side.
type scene struct {
	tee     rats.TEE
	enclave simtee.Enclave
	td      simtee.TD
	faults  simtee.Faults
	now     time.Time
	policy  map[string]any

	certificate []func(*simtee.Certificate)
	extension   []func(*dcap.PCKExtension)
	tcbInfo     []func(*simtee.TCBInfo)
	identity    []func(*simtee.Identity)
	numbers     []func(*simtee.EvaluationNumbers)
	statement   []func(*simtee.Statement)
	crl         []func(*simtee.RevocationList)
	qe          []func(*simtee.QuotingEnclave)
	quote       []func(*quote.Quote)
	signed      []func(*quote.Quote)
	raw         []func([]byte) []byte
	items       []func([]rats.Endorsement) []rats.Endorsement
	// encoding is how files of a kind are written, DER and JSON if not said.
	encoding map[rats.EndorsementKind]func([]byte) []byte

	// ias has the simulated attestation service speak for the enclave in place of a
	// quote, and form is how its report is written.
	ias  *simtee.IAS
	form func(simtee.IASReport) ([]byte, error)

	pki      *simtee.PKI
	platform *simtee.Platform
	// made are the certificates by role, as they were signed last.
	made map[simtee.Role]*simtee.Certificate
}

// edit makes one thing of a scene different.
type edit func(*scene)

// set returns the scene after its edits, with everything made.
func set(edits []edit) (*scene, error) {
	s := &scene{
		tee: rats.SGX, now: noon, policy: map[string]any{},
		enclave: simtee.Enclave{
			MREnclave: [32]byte{0xe1}, MRSigner: [32]byte{0x51}, ISVProdID: 1, ISVSVN: 2, ReportData: [64]byte{0xda, 0x7a}, Platform: 1,
		},
		td:       simtee.TD{MRTD: [48]byte{0x7d}, RTMR: [4][48]byte{{1}, {2}}, ReportData: [64]byte{0xda, 0x7a}, Platform: 1},
		encoding: map[rats.EndorsementKind]func([]byte) []byte{},
	}
	for _, e := range edits {
		e(s)
	}
	s.made = map[simtee.Role]*simtee.Certificate{}
	s.certificate = append(s.certificate, func(c *simtee.Certificate) { s.made[c.Role] = c })
	s.faults.Certificate, s.faults.Extension = all(s.certificate), all(s.extension)
	s.faults.TCBInfo, s.faults.Identity, s.faults.Numbers = all(s.tcbInfo), all(s.identity), all(s.numbers)
	s.faults.Statement, s.faults.CRL, s.faults.QE, s.faults.Quote = all(s.statement), all(s.crl), all(s.qe), all(s.quote)
	var err error
	if s.pki, err = simtee.NewPKI(s.faults); err != nil {
		return nil, err
	}
	level := s.enclave.TCB
	if s.tee == rats.TDX {
		level = s.td.TCB
	}
	s.platform, err = s.pki.NewPlatform(1, level)
	return s, err
}

// all returns a function that calls each of fs, or nil for none.
func all[T any](fs []func(*T)) func(*T) {
	if len(fs) == 0 {
		return nil
	}
	return func(t *T) {
		for _, f := range fs {
			f(t)
		}
	}
}

// evidence returns the scene's quote.
func (s *scene) evidence() ([]byte, error) {
	var b []byte
	var err error
	switch {
	case s.ias != nil:
		b, err = s.report()
	case s.tee == rats.TDX:
		b, err = s.platform.QuoteTD(s.td)
	default:
		b, err = s.platform.Quote(s.enclave)
	}
	if err != nil {
		return nil, err
	}
	if len(s.signed) > 0 {
		q, err := quote.Parse(b)
		if err != nil {
			return nil, err
		}
		for _, f := range s.signed {
			f(q)
		}
		b = q.Marshal()
	}
	for _, f := range s.raw {
		b = f(bytes.Clone(b))
	}
	return b, nil
}

// endorsements returns what the relying party has.
func (s *scene) endorsements() ([]rats.Endorsement, error) {
	if s.ias != nil {
		return nil, nil // what Intel says of the platform is in the report
	}
	items, err := s.pki.EndorsementsFor(s.tee, noon)
	if err != nil {
		return nil, err
	}
	for _, f := range s.items {
		items = f(items)
	}
	return items, nil
}

// verdict is what the verifier says of evidence and endorsements.
func (s *scene) verdict(evidence []byte, items []rats.Endorsement) (*attesteer.Result, error) {
	policy, err := policyOf(s.policy)
	if err != nil {
		return nil, err
	}
	en, err := attesteer.ParseEndorsements(items...)
	if err != nil {
		return nil, err
	}
	return attesteer.Verify(attesteer.Evidence{Raw: evidence}, en, policy, s.now)
}

// Edits, each of one thing.

func forTDX(body quote.BodyType) edit {
	return func(s *scene) { s.tee, s.td.Body = rats.TDX, body }
}

func version(n uint16) edit {
	return func(s *scene) { s.enclave.Form.Version, s.td.Form.Version = n, n }
}

func platformAt(status rats.TCBStatus) edit {
	return func(s *scene) { s.enclave.TCB, s.td.TCB = status, status }
}

func form(f func(*simtee.Form)) edit {
	return func(s *scene) { f(&s.enclave.Form); f(&s.td.Form) }
}

func certificate(role simtee.Role, f func(*simtee.Certificate)) edit {
	return func(s *scene) {
		s.certificate = append(s.certificate, func(c *simtee.Certificate) {
			if c.Role == role {
				f(c)
			}
		})
	}
}

func template(role simtee.Role, f func(*x509.Certificate)) edit {
	return certificate(role, func(c *simtee.Certificate) { f(c.Template) })
}

// shown edits a certificate after it was signed.
func shown(role simtee.Role, f func([]byte) []byte) edit {
	return certificate(role, func(c *simtee.Certificate) { c.Signed = f })
}

func extension(f func(*dcap.PCKExtension)) edit {
	return func(s *scene) { s.extension = append(s.extension, f) }
}

func info(f func(*simtee.TCBInfo)) edit {
	return func(s *scene) { s.tcbInfo = append(s.tcbInfo, f) }
}

func identity(f func(*simtee.Identity)) edit {
	return func(s *scene) { s.identity = append(s.identity, f) }
}

// inner edits the text of a statement before it is signed.
func inner(kind rats.EndorsementKind, f func(string) string) edit {
	return func(s *scene) {
		s.statement = append(s.statement, func(st *simtee.Statement) {
			if st.Kind == kind {
				st.Inner = []byte(f(string(st.Inner)))
			}
		})
	}
}

// signer has another key sign a statement.
func signer(kind rats.EndorsementKind, label string) edit {
	return func(s *scene) {
		s.statement = append(s.statement, func(st *simtee.Statement) {
			if st.Kind == kind {
				st.Key = simtee.Key(label)
			}
		})
	}
}

func crl(role simtee.Role, f func(*simtee.RevocationList)) edit {
	return func(s *scene) {
		s.crl = append(s.crl, func(l *simtee.RevocationList) {
			if l.Role == role {
				f(l)
			}
		})
	}
}

func quotingEnclave(f func(*simtee.QuotingEnclave)) edit {
	return func(s *scene) { s.qe = append(s.qe, f) }
}

// reported edits header and report before the attestation key signs, signed the
// quote after that, and written its bytes.
func reported(f func(*quote.Quote)) edit {
	return func(s *scene) { s.quote = append(s.quote, f) }
}

func signed(f func(*quote.Quote)) edit {
	return func(s *scene) { s.signed = append(s.signed, f) }
}

func written(f func([]byte) []byte) edit {
	return func(s *scene) { s.raw = append(s.raw, f) }
}

// sent edits an endorsement after it was signed.
func sent(kind rats.EndorsementKind, f func([]byte) []byte) edit {
	return each(kind, func(e *rats.Endorsement) {
		before := e.Body
		if e.Body = f(bytes.Clone(e.Body)); bytes.Equal(before, e.Body) {
			panic("the edit of " + string(kind) + " changes nothing")
		}
	})
}

func each(kind rats.EndorsementKind, f func(*rats.Endorsement)) edit {
	return func(s *scene) {
		s.items = append(s.items, func(items []rats.Endorsement) []rats.Endorsement {
			for i := range items {
				if items[i].Kind == kind {
					f(&items[i])
				}
			}
			return items
		})
	}
}

// lacking leaves out the endorsements of a kind.
func lacking(kind rats.EndorsementKind) edit {
	return func(s *scene) {
		s.items = append(s.items, func(items []rats.Endorsement) []rats.Endorsement {
			return slices.DeleteFunc(items, func(e rats.Endorsement) bool { return e.Kind == kind })
		})
	}
}

// having adds an endorsement, which is made when the scene is set.
func having(f func(*scene) (rats.Endorsement, error)) edit {
	return func(s *scene) {
		s.items = append(s.items, func(items []rats.Endorsement) []rats.Endorsement {
			e, err := f(s)
			if err != nil {
				panic(err)
			}
			return append(items, e)
		})
	}
}

// pckCertificate adds the platform's own certificate.
func pckCertificate() edit {
	return having(func(s *scene) (rats.Endorsement, error) { return s.platform.PCKCertificate(), nil })
}

// elsewhere adds endorsements that another PKI issues, of one kind.
func elsewhere(kind rats.EndorsementKind, edits ...edit) edit {
	return having(func(s *scene) (rats.Endorsement, error) {
		other, err := set(edits)
		if err != nil {
			return rats.Endorsement{}, err
		}
		items, err := other.endorsements()
		if err != nil {
			return rats.Endorsement{}, err
		}
		i := slices.IndexFunc(items, func(e rats.Endorsement) bool { return e.Kind == kind })
		if i < 0 {
			return rats.Endorsement{}, fmt.Errorf("no %s", kind)
		}
		return items[i], nil
	})
}

func encoded(kind rats.EndorsementKind, f func([]byte) []byte) edit {
	return func(s *scene) { s.encoding[kind] = f }
}

func judgedAt(t time.Time) edit { return func(s *scene) { s.now = t } }

func demanding(key string, value any) edit { return func(s *scene) { s.policy[key] = value } }

// revoking puts the serial number of something made on a list.
func revoking(list simtee.Role, serial func(*scene) *big.Int) edit {
	return func(s *scene) {
		crl(list, func(l *simtee.RevocationList) {
			l.Template.RevokedCertificateEntries = append(l.Template.RevokedCertificateEntries, simtee.Revoke(serial(s)))
		})(s)
	}
}

// Helpers for texts and bytes. Each panics where it changes nothing: a case that
// does not do what it says is no case.

func replace(old, with string) func(string) string {
	return func(text string) string {
		if !strings.Contains(text, old) {
			panic("no " + old + " in " + text)
		}
		return strings.Replace(text, old, with, 1)
	}
}

func flip(i int) func([]byte) []byte {
	return func(b []byte) []byte {
		if i < 0 {
			i += len(b)
		}
		b[i] ^= 1
		return b
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
