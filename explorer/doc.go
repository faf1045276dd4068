// SPDX-License-Identifier: Apache-2.0

// Package explorer holds the web pages of the registry and the search index
// behind them.
//
// The index ([Index]) is SQL and derived: it is built from the ledger's events,
// thrown away whenever it does not fit them, and built again. It answers
// listings; the truth about a single record is asked of the registry.
//
// The pages ([Pages]) are rendered on the server, carry no script, load nothing
// from elsewhere and are complete without JavaScript. They say what the
// registry's validators have checked and that the reader's browser has not.
package explorer
