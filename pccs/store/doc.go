// SPDX-License-Identifier: Apache-2.0

// Package store keeps what a Provisioning Certificate Caching Service serves:
// artefacts that a vendor signed, platforms with their PCK certificates, the
// queue of platforms that wait for certificates, and appraisal policies.
//
//	s, err := store.Open(ctx, "/var/lib/attesteer/pccs.db") // or postgres://…
//	err = s.Write(ctx, store.Batch{Artefacts: fetched})
//	a, err := s.Artefact(ctx, key)
//
// [Open] takes SQLite and PostgreSQL, which behave alike. Several processes may
// share either; each learns from [Store.Generation] that another one wrote.
// Every change is one transaction: after an error nothing of it is there, and
// after success it survives the death of the process at any moment.
//
// # What is current
//
// Of all artefacts ever written under one [Key], that which was issued last is
// current, whatever the order in which they came; [Artefact.Compare] says what
// decides where dates agree. Each one that became current is also appended to
// a log ([Store.Log]) from which nothing is ever removed. Every [Version] there
// holds the hash of the one before it, so whoever noted a [Head] can tell later,
// by [Store.VerifyLog], whether anything before it was changed or cut off.
//
// # Words
//
// Hex on the wire of a PCCS is upper case: QE identity, PCE identity, CPUSVN,
// PCESVN, TCBm and FMSPC of platforms and policies are brought to upper case
// when written and when asked for. Scope and update of a [Key] are lower case,
// but for URLs, which stay as they are. Times are kept in whole microseconds
// and come back in UTC.
//
// The package checks no signature: what is written has been verified before. It
// knows neither a clock nor HTTP.
//
// [ReadLegacy] reads the database of Intel's service, for an import.
package store
