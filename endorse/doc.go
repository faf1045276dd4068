// SPDX-License-Identifier: Apache-2.0

// Package endorse knows where endorsements come from: it turns what a folder
// holds into the endorsements that verification takes, and back into files.
//
// A [Source] answers the question "what is there for an appraisal that needs
// this?". A [Folder] is the source that needs no network: files as Intel's
// Provisioning Certification Service (PCS API v4) answers them, in any layout
// and under any name, since they are recognised by what they contain. [Join]
// makes one source of several.
//
// Nothing here is trusted because of where it was found. Every endorsement that
// leaves this package has been checked up to a pinned root, and is checked
// again by whoever appraises with it.
package endorse
