// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/sha256"
	"strconv"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// rootCertificate is the id of the root's row in pcs_certificates, which holds
// the root's CRL too.
const rootCertificate = 1

// listVersion is the Version of lists, which are the same in all of the API.
const listVersion = 4

// artefact keeps a body that a row holds.
func (r *legacyReader) artefact(c *legacyRow, k Key, body, chain []byte) {
	r.out.Artefacts = append(r.out.Artefacts, Artefact{
		Key: k.normal(), Body: body, Chain: chain, Digest: sha256.Sum256(body), Fetched: c.time("updated_time"), Source: r.source,
	})
}

// certificates reads the five certificates, under whatever numbers they have.
func (r *legacyReader) certificates() error {
	r.certs = make(map[int64][]byte)
	return r.rows("pcs_certificates", "id, cert, crl, updated_time", func(c *legacyRow) error {
		id := c.integer("id")
		r.certs[id] = c.pem("cert")
		if crl := c.bytes("crl"); id == rootCertificate && crl != nil {
			r.artefact(c, Key{Kind: RootCRL, Version: listVersion}, crl, nil)
		}
		return nil
	})
}

// chain returns the two certificates that a row names, signer first. Without
// either there is none, and the service serves nothing of that row.
func (r *legacyReader) chain(c *legacyRow, signer string) []byte {
	first, root := r.certs[c.integer(signer)], r.certs[c.integer("root_cert_id")]
	if first == nil || root == nil {
		return nil
	}
	return append(append([]byte(nil), first...), root...)
}

// updates is the column of the update parameter, where the schema has one.
func (r *legacyReader) updates() string {
	if r.out.Schema < legacyUpdates {
		return ""
	}
	return ", update_type"
}

// update returns a row's update parameter.
func (r *legacyReader) update(c *legacyRow) string {
	if r.out.Schema < legacyUpdates {
		return Standard
	}
	u := strings.ToLower(c.text("update_type"))
	if u != Standard && u != Early {
		c.wrong("update_type", "STANDARD or EARLY")
	}
	return u
}

// signed keeps a row whose body a TCB signing key signed.
func (r *legacyReader) signed(c *legacyRow, k Key, column string) {
	body, chain := c.bytes(column), r.chain(c, "signing_cert_id")
	switch {
	case body == nil:
		r.skip(k.normal().String(), "is empty")
	case chain == nil:
		r.skip(k.normal().String(), "has no signing certificate")
	default:
		r.artefact(c, k, body, chain)
	}
}

func (r *legacyReader) tcbInfos() error {
	columns := "fmspc, type, version, tcbinfo, root_cert_id, signing_cert_id, updated_time" + r.updates()
	return r.rows("fmspc_tcbs", columns, func(c *legacyRow) error {
		k := Key{Kind: TCBInfo, Scope: c.text("fmspc"), Version: int(c.integer("version")), Update: r.update(c)}
		switch c.integer("type") {
		case 0:
			k.TEE = rats.SGX
		case 1:
			k.TEE = rats.TDX
		default:
			// The service itself deletes rows without a type.
			r.skip(k.normal().String(), "is of no known type")
			return nil
		}
		r.signed(c, k, "tcbinfo")
		return nil
	})
}

func (r *legacyReader) identities() error {
	columns := "id, version, identity, root_cert_id, signing_cert_id, updated_time" + r.updates()
	return r.rows("enclave_identities", columns, func(c *legacyRow) error {
		k := Key{Kind: QEIdentity, TEE: rats.SGX, Version: int(c.integer("version")), Update: r.update(c)}
		switch id := c.integer("id"); id {
		case 1:
		case 2:
			k.Kind = QVEIdentity
		case 3:
			k.TEE = rats.TDX
		default:
			r.skip("enclave identity", strconv.FormatInt(id, 10), "is of no known enclave")
			return nil
		}
		r.signed(c, k, "identity")
		return nil
	})
}

// ca returns the CA of PCK certificates that a row is about.
func (r *legacyReader) ca(c *legacyRow) (string, bool) {
	ca := strings.ToLower(c.text("ca"))
	if ca == ProcessorCA || ca == PlatformCA {
		return ca, true
	}
	r.skip(c.table, strconv.Quote(ca), "is of no known CA")
	return "", false
}

func (r *legacyReader) pckCRLs() error {
	return r.rows("pck_crl", "ca, pck_crl, root_cert_id, intmd_cert_id, updated_time", func(c *legacyRow) error {
		ca, known := r.ca(c)
		if !known {
			return nil
		}
		k := Key{Kind: PCKCRL, Scope: ca, Version: listVersion}
		body, chain := c.bytes("pck_crl"), r.chain(c, "intmd_cert_id")
		switch {
		case body == nil:
			r.skip(k.String(), "is empty")
		case chain == nil:
			r.skip(k.String(), "has no issuer's certificate")
		default:
			r.artefact(c, k, body, chain)
		}
		return nil
	})
}

func (r *legacyReader) crls() error {
	return r.rows("crl_cache", "cdp_url, crl, updated_time", func(c *legacyRow) error {
		k := Key{Kind: CRL, Scope: c.text("cdp_url"), Version: listVersion}
		if body := c.bytes("crl"); body != nil && k.Scope != "" {
			r.artefact(c, k, body, nil)
		} else {
			r.skip(k.String(), "is empty")
		}
		return nil
	})
}

func (r *legacyReader) chains() error {
	r.out.Chains = make(map[string][]byte)
	return r.rows("pck_certchain", "ca, root_cert_id, intmd_cert_id", func(c *legacyRow) error {
		ca, known := r.ca(c)
		if !known {
			return nil
		}
		if chain := r.chain(c, "intmd_cert_id"); chain != nil {
			r.out.Chains[ca] = chain
		} else {
			r.skip("chain of the", ca, "CA is not whole")
		}
		return nil
	})
}

// id returns a row's platform.
func (c *legacyRow) id() PlatformID {
	id := PlatformID{QEID: c.text("qe_id"), PCEID: c.text("pce_id")}.normal()
	if id.QEID == "" {
		c.wrong("qe_id", "identity")
	}
	return id
}

func (r *legacyReader) platforms() error {
	return r.rows("platforms", "qe_id, pce_id, platform_manifest, enc_ppid, fmspc, ca, updated_time", func(c *legacyRow) error {
		r.out.Platforms = append(r.out.Platforms, Platform{
			PlatformID: c.id(), EncryptedPPID: c.bytes("enc_ppid"), Manifest: c.bytes("platform_manifest"),
			FMSPC: strings.ToUpper(c.text("fmspc")), CA: strings.ToLower(c.text("ca")), Seen: c.time("updated_time"),
		})
		return nil
	})
}

func (r *legacyReader) rawTCBs() error {
	return r.rows("platform_tcbs", "qe_id, pce_id, cpu_svn, pce_svn, tcbm", func(c *legacyRow) error {
		t := RawTCB{PlatformID: c.id(), CPUSVN: strings.ToUpper(c.text("cpu_svn")), PCESVN: strings.ToUpper(c.text("pce_svn")),
			TCBm: strings.ToUpper(c.text("tcbm"))}
		if t.TCBm == "" {
			r.skip("raw TCB", t.CPUSVN+t.PCESVN, "of platform", t.QEID, "names no certificate")
			return nil
		}
		r.out.RawTCBs = append(r.out.RawTCBs, t)
		return nil
	})
}

func (r *legacyReader) pckCerts() error {
	return r.rows("pck_cert", "qe_id, pce_id, tcbm, pck_cert", func(c *legacyRow) error {
		p := PCKCert{PlatformID: c.id(), TCBm: strings.ToUpper(c.text("tcbm")), Cert: c.pem("pck_cert")}
		switch {
		case p.Cert == nil:
			r.skip("PCK certificate", p.TCBm, "of platform", p.QEID, "is empty")
			return nil
		case strings.EqualFold(strings.TrimSpace(string(p.Cert)), "not available"):
			p.Cert, p.NotAvailable = nil, true
		}
		r.out.PCKCerts = append(r.out.PCKCerts, p)
		return nil
	})
}

func (r *legacyReader) queue() error {
	return r.rows("platforms_registered", "qe_id, pce_id, cpu_svn, pce_svn, enc_ppid, platform_manifest, state, updated_time", func(c *legacyRow) error {
		q := Queued{PlatformID: c.id(), CPUSVN: strings.ToUpper(c.text("cpu_svn")), PCESVN: strings.ToUpper(c.text("pce_svn")),
			EncryptedPPID: c.bytes("enc_ppid"), Manifest: c.bytes("platform_manifest"), State: QueueState(c.integer("state")), Seen: c.time("updated_time")}
		if !q.State.valid() {
			c.wrong("state", "state of the queue")
		}
		r.out.Queue = append(r.out.Queue, q)
		return nil
	})
}

func (r *legacyReader) policies() error {
	return r.rows("appraisal_policies", "id, type, policy, is_default, fmspc", func(c *legacyRow) error {
		r.out.Policies = append(r.out.Policies, Policy{
			ID: strings.ToLower(c.text("id")), Type: int(c.integer("type")), JWT: c.bytes("policy"),
			Default: c.integer("is_default") == 1, FMSPC: strings.ToUpper(c.text("fmspc")),
		})
		if c.null("policy") || c.null("type") {
			c.wrong("policy", "policy")
		}
		return nil
	})
}
