// SPDX-License-Identifier: Apache-2.0

// Package qcnltest asks a PCCS as Intel's own clients ask it, and reads its
// answers as they read them, faults included, for tests: the quote collateral
// library (QCNL) below the quote provider library (QPL), PCKIDRetrievalTool, and
// the administrator's tool pccsadmin.
//
// What it imitates is what releases 1.20 to 1.26 of Intel's DCAP do: the order of
// parameters, upper-case hex, no redirects, no time limit but the caller's, a
// buffer that is not emptied between two tries, header names compared in lower
// case, lengths in 16 bits, one connection for each call. Only tests import it.
package qcnltest
