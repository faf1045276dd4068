// SPDX-License-Identifier: Apache-2.0

package attester

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/attesteer/attesteer/rats"
)

// Gramine's pseudo-files ("Attestation and Secret Provisioning", section
// "Low-level /dev/attestation interface"). In an SGX enclave all are there,
// except that there is no quote under remote attestation "none"; outside of one
// (gramine-direct) only the folder is.
const (
	gramineFolder = "dev/attestation"
	// gramineType holds the manifest's sgx.remote_attestation: none, epid or
	// dcap. Gramine before 1.3 has no such file.
	gramineType = gramineFolder + "/attestation_type"
	// gramineReportData takes 64 bytes; Gramine fills up fewer with zeros, and
	// ignores what is beyond.
	gramineReportData = gramineFolder + "/user_report_data"
	// gramineQuote is made when it is opened, with the report data of that moment.
	gramineQuote = gramineFolder + "/quote"
)

// gramine is an SGX enclave in which Gramine runs this process.
type gramine struct{ devices }

// manifestAdvice is what turns quotes on.
const manifestAdvice = `the manifest should say sgx.remote_attestation = "dcap"`

// check reports whether this enclave can make quotes that are worth asking for.
func (g gramine) check() error {
	err := g.files.Stat(gramineReportData)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return advise(rats.Errorf(rats.Unsupported, "this process is in no enclave of Gramine's: %s is missing", g.path(gramineReportData)), g.surmise())
	case err != nil:
		return g.fault("look at", gramineReportData, err, "")
	}
	kind, err := g.text(context.Background(), gramineType)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return g.fault("read", gramineType, err, "")
	case kind == "none":
		return advise(rats.Errorf(rats.Unsupported, "Gramine makes no quotes for this enclave: %s says none", g.path(gramineType)), manifestAdvice)
	case kind == "epid":
		return advise(rats.Errorf(rats.Unsupported, "Gramine makes EPID quotes for this enclave, which nobody verifies since Intel ended that service in 2025"), manifestAdvice)
	}
	return nil
}

func (g gramine) obtain(ctx context.Context, reportData [64]byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, overdue(ctx, Gramine)
	}
	if err := g.files.WriteFile(gramineReportData, reportData[:]); err != nil {
		return nil, g.fault("write", gramineReportData, err, "")
	}
	raw, err := g.read(ctx, gramineQuote, MaxEvidence)
	switch {
	case err == nil:
		return raw, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, g.fault("read", gramineQuote, err, manifestAdvice)
	case errors.Is(err, syscall.EACCES):
		// Whatever goes wrong at the quoting enclave, Gramine calls it EACCES.
		return nil, advise(rats.Errorf(rats.Internal, "read %s: the host's quoting enclave gave no quote: %w", g.path(gramineQuote), err),
			"is aesmd running on the host, with the DCAP quote provider, and does /etc/sgx_default_qcnl.conf name a PCCS that answers?")
	default:
		return nil, g.fault("read", gramineQuote, err, "")
	}
}
