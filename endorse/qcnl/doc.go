// SPDX-License-Identifier: Apache-2.0

// Package qcnl reads sgx_default_qcnl.conf, the configuration file of Intel's
// quote collateral network library, as that library reads it, and says where
// what the library does is not what the file says.
//
// The library never fails on its file. What it cannot read as JSON it reads as
// a list of KEY=value lines of its first years, and where that has nothing
// either, all options keep their defaults: https://localhost:8081 is asked, in
// the way of version 3.0, once. Values of a wrong type and names that it does
// not know are passed over. [Read] does all of this too, and notes each
// [Finding] with line and column; [Parse] refuses a file of which something
// would be passed over that was meant.
//
// The package knows no network and no files. What it knows of the library is
// what QuoteGeneration/qcnl of Intel's DCAP does as of 2026.
package qcnl
