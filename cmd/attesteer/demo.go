// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"path/filepath"

	"github.com/attesteer/attesteer/certificate"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// announcement is what serve --json prints once the node answers.
type announcement struct {
	Ready   bool   `json:"ready"`
	URL     string `json:"url"`
	Network string `json:"network"`
	ChainID string `json:"chain_id"`
	Genesis string `json:"genesis"`
	// Pin names the key of its certificate, with TLS.
	Pin string `json:"pin,omitempty"`
	// Metrics is where monitoring finds them, if anywhere.
	Metrics string `json:"metrics,omitempty"`
	// Demo is the id of the record that --demo made.
	Demo string `json:"demo,omitempty"`
}

// announce says that the node answers, and with --demo shows it off.
func (a *app) announce(ctx context.Context, f serveFlags, h *house, port *front) error {
	url := port.url()
	said := announcement{
		Ready: true, URL: url, Network: f.network, ChainID: h.node.Registry().ChainID(),
		Genesis: filepath.Join(f.home, "config", "genesis.json"),
	}
	if h.monitor != nil {
		said.Metrics = h.monitor.url()
	}
	if port.keeper != nil {
		pin := certificate.PinOf(port.keeper.Leaf())
		said.Pin = pin.String()
		a.trust.pins = []certificate.Pin{pin} // the demonstration's client is this process
	}
	if f.demo {
		id, err := a.demo(ctx, url)
		if err != nil {
			return err
		}
		said.Demo = id
	}
	if a.asJSON {
		line, err := json.Marshal(said)
		if err != nil {
			return rats.Errorf(rats.Internal, "encode: %w", err)
		}
		a.printf("%s\n", line)
	}
	a.sayf("ready: %s serves the %s network %s", url, said.Network, said.ChainID)
	a.sayCertificate(port)
	if said.Demo != "" {
		a.sayDemo(said)
	}
	return nil
}

// demo attests a simulated enclave that did not exist before, through the same
// API as everybody.
func (a *app) demo(ctx context.Context, url string) (string, error) {
	e := simtee.Enclave{
		MREnclave: sha256.Sum256([]byte("demonstration enclave")),
		MRSigner:  sha256.Sum256([]byte("demonstration vendor")),
		ISVProdID: 1, ISVSVN: 1,
	}
	if _, err := rand.Read(e.ReportData[:32]); err != nil {
		return "", rats.Errorf(rats.Internal, "random: %w", err)
	}
	quote, err := e.Quote()
	if err != nil {
		return "", err
	}
	got, err := a.dial(url).SubmitEvidence(ctx, client.Submission{Evidence: quote, URL: "https://demo.enclave.example"})
	if err != nil {
		return "", err
	}
	return got.Record.ID, nil
}

func (a *app) sayDemo(said announcement) {
	a.sayf("")
	a.sayf("A simulated enclave was attested and recorded. Look at it:")
	a.sayf("  %s/enclaves/%s", said.URL, said.Demo)
	a.sayf("")
	a.sayf("Then, in another terminal (with bin/ in your PATH):")
	a.sayf("  attesteer enclaves list --node %s", said.URL)
	a.sayf("  attesteer enclaves proof %s --node %s -o bundle.json", said.Demo, said.URL)
	a.sayf("  attesteer proof verify bundle.json --trust %s", said.Genesis)
	a.sayf("  attesteer attest --tee sim-sgx --sim-tcb OutOfDate --report-data 01 -o quote.bin")
	a.sayf("  attesteer submit quote.bin --url https://my.enclave.example --node %s", said.URL)
	a.sayf("")
	a.sayf("Ctrl-C stops the node; what it recorded stays in its home.")
}
