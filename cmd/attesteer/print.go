// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// row prints one aligned line of a description.
func (a *app) row(name, value string) {
	if value == "" {
		value = "-"
	}
	a.printf("  %-26s %s\n", name, value)
}

// printResult prints an attestation result.
func (a *app) printResult(r *attesteer.Result) error {
	if a.asJSON {
		return a.printJSON(r)
	}
	verdict := "accepted"
	if !r.Accepted {
		verdict = "not accepted: " + r.Kind.String()
	}
	a.printf("%s (%s)\n", verdict, r.Tier)
	a.row("evidence", cameAs(r.TEE, r.Envelope))
	a.row("judged at", r.VerifiedAt.Format(time.RFC3339))
	if r.TrustRoot != nil {
		a.row("on the word of", *r.TrustRoot)
	}
	a.printMeasurement(r.Fingerprint, r.Measurement)
	a.row("build mode", string(r.BuildMode))
	a.row("report data", r.ReportData.String())
	if k := r.RuntimeKey; k != nil {
		a.row("its key", fmt.Sprintf("%s, %d bits, SHA-256 %s", k.Type, k.Bits, k.SHA256))
	}
	a.printClaims(r.CustomClaims)
	if t := r.TCB; t != nil {
		a.row("TCB status", string(t.Status))
		if t.QEStatus != "" {
			parts := fmt.Sprintf("platform %s, QE %s", t.PlatformStatus, t.QEStatus)
			if t.ModuleStatus != nil {
				parts += fmt.Sprintf(", module %s %s", *t.ModuleID, *t.ModuleStatus)
			}
			a.row("of its parts", parts)
		}
		if t.Date != nil {
			a.row("TCB date", t.Date.Format(time.DateOnly))
		}
		if t.BehindSince != nil {
			a.row("behind since", t.BehindSince.Format(time.DateOnly))
		}
		if len(t.FMSPC) > 0 {
			a.row("platform (FMSPC)", t.FMSPC.String())
		}
		a.row("advisories", strings.Join(t.Advisories, ", "))
	}
	a.printEPID(r.EPID)
	if r.ValidUntil != nil {
		a.row("valid until", r.ValidUntil.Format(time.RFC3339))
	}
	a.printf("\nchecks\n")
	for _, c := range r.Checks {
		a.printf("  %-9s %-24s %s\n", c.Outcome, c.Name, c.Detail)
	}
	return nil
}

// tdFingerprint is what a trust domain's fingerprint is called.
const tdFingerprint = "fingerprint (MRTD, RTMRs)"

// printMeasurement prints what names the code of an enclave or trust domain.
func (a *app) printMeasurement(fingerprint attesteer.Hex, m attesteer.Measurement) {
	if x := m.SGXMeasurement; x != nil {
		a.row("fingerprint (MRENCLAVE)", fingerprint.String())
		a.row("vendor (MRSIGNER)", x.MRSigner.String())
		a.row("product, version", fmt.Sprintf("%d, %d", x.ISVProdID, x.ISVSVN))
		a.row("attributes", x.Attributes.String())
		a.row("CPU SVN", x.CPUSVN.String())
	}
	if d := m.TDXMeasurement; d != nil {
		a.row(tdFingerprint, fingerprint.String())
		a.row("MRTD", d.MRTD.String())
		for i, rtmr := range []attesteer.Hex{d.RTMR0, d.RTMR1, d.RTMR2, d.RTMR3} {
			a.row(fmt.Sprintf("RTMR%d", i), rtmr.String())
		}
		a.row("TDX module (MRSEAM)", d.MRSEAM.String())
		a.row("attributes", d.TDAttributes.String())
		a.row("TEE TCB SVN", d.TEETCBSVN.String())
		if len(d.TEETCBSVN2) > 0 {
			a.row("TEE TCB SVN, now", d.TEETCBSVN2.String())
			a.row("service TD (MRSERVICETD)", d.MRServiceTD.String())
		}
	}
}

// printInspection prints what evidence claims, under a banner that nothing of
// it is verified.
func (a *app) printInspection(in *attesteer.Inspection) error {
	a.printf("NOT VERIFIED: this is what the evidence says of itself\n")
	a.row("evidence", cameAs(in.TEE, in.Envelope))
	a.printMeasurement(in.Fingerprint, in.Measurement)
	a.row("build mode", string(in.BuildMode))
	a.row("report data", in.ReportData.String())
	a.printEPID(in.EPID)
	return nil
}

// cameAs names evidence by its layers, outermost first.
func cameAs(tee rats.TEE, envelope []rats.Format) string {
	out := string(tee)
	for _, f := range envelope {
		out += ", " + string(f)
	}
	return out
}

// printClaims prints custom claims, with a value as text where it is printable.
func (a *app) printClaims(claims []attesteer.CustomClaim) {
	for _, c := range claims {
		value := c.Value.String()
		if c.Text != nil {
			value = strconv.Quote(*c.Text)
		}
		a.row("claim "+strconv.Quote(c.Name), value)
	}
}

// printRecord prints a ledger record.
func (a *app) printRecord(v record.View) {
	a.printf("%s\n", v.ID)
	a.row("state", string(v.State)+" ("+string(v.Tier)+")")
	switch v.TEE {
	case rats.SGX, rats.EPID:
		a.row("fingerprint (MRENCLAVE)", v.Fingerprint)
		a.row("vendor (MRSIGNER)", v.MRSigner)
	case rats.TDX:
		a.row(tdFingerprint, v.Fingerprint)
	default:
		a.row("fingerprint", v.Fingerprint)
	}
	a.row("build mode", string(v.BuildMode))
	a.row("status", string(v.Status))
	a.row("status since", fmt.Sprintf("%s (%s)", stamp(v.StatusSince), v.StatusReason))
	if w := v.WillChange; w != nil {
		a.row("will change", fmt.Sprintf("to %s at %s (%s)", w.To, stamp(w.At), w.Reason))
	}
	a.row("url", deref(v.URL))
	a.row("registrar", deref(v.Registrar))
	a.row("signer (report data)", v.Signer.Opaque)
	if k := v.Signer.Key; k != nil {
		a.row("its key", fmt.Sprintf("%s, %d bits, SHA-256 %s", k.Algorithm, k.Bits, k.SHA256))
	}
	a.row("evidence", cameAs(v.TEE, v.Envelope))
	a.printClaims(v.CustomClaims)
	a.row("platform (FMSPC)", v.FMSPC)
	a.row("advisories", strings.Join(v.Advisories, ", "))
	a.row("on the word of", v.TrustRoot)
	a.row("freshness", v.Freshness.Kind)
	a.row("first attested", stamp(v.FirstAttested))
	a.row("last attested", fmt.Sprintf("%s (%d in all)", stamp(v.LastAttested), v.Attestations))
	a.row("expires", stamp(v.Expires))
	a.row("valid until", stamp(v.ValidUntil))
	a.row("block", fmt.Sprint(v.Height))
	a.row("transaction", v.Tx)
}

func stamp(m record.Millis) string {
	if m == 0 {
		return ""
	}
	return m.Time().Format(time.RFC3339)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }
