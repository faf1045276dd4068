// SPDX-License-Identifier: Apache-2.0

// Package endorse knows where endorsements come from: it turns what a folder
// holds into the endorsements that verification takes, and back into files.
//
// A [Source] answers the question "what is there for an appraisal that needs
// this?". A [Folder] is the source that needs no network: files as Intel's
// Provisioning Certification Service (PCS API v4) answers them, in any layout
// and under any name, since they are recognised by what they contain. A [PCS] is
// a service in the network, Intel's, a cloud's or one's own; a [Ledger] what
// others have published. [InOrder] makes one source of several: the next is asked
// where those before lack something that holds, and of several copies the
// freshest counts. [Join] gives everything that its sources have.
//
// A [Certifier] has what some evidence lacks besides: the certificate of the
// platform that it names.
//
// Nothing here is trusted because of where it was found. Every endorsement that
// leaves this package has been checked up to a pinned root, and is checked
// again by whoever appraises with it.
package endorse
