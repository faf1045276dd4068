// SPDX-License-Identifier: Apache-2.0

// Package evcert finds evidence in X.509 certificates: attested TLS has a server
// show its enclave's quote in an extension of its certificate, and each SDK has
// an extension and a rule of its own for how the quote is bound to the
// certificate's key.
//
// It takes certificates apart and knows the rules. What it finds are bytes for
// whoever verifies evidence; nothing here is verified but a certificate's own
// signature by its own key, and which bytes the report data must be.
package evcert
