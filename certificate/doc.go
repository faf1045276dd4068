// SPDX-License-Identifier: Apache-2.0

// Package certificate keeps the certificate that a server of TLS shows, and has
// clients trust one that no authority vouches for.
//
// A [Keeper] has a certificate and its key either from two files, which somebody
// else renews, or self-made in a folder, where it renews the certificate itself
// and keeps the key. What it shows changes while the server runs, and only to a
// pair that fits: while files are being replaced, or wrongly, the pair before
// goes on.
//
// A [Pin] names a key by the SHA-256 of its SubjectPublicKeyInfo, as RFC 7469
// and curl do. It outlives renewals of a certificate that keep the key.
package certificate
