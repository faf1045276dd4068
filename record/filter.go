// SPDX-License-Identifier: Apache-2.0

package record

// Filter selects records. Empty fields select everything; the rest are joined
// by "and". Hex is lower case.
type Filter struct {
	// Query is a free text: a prefix of id, fingerprint, mr_signer, signer or
	// registrar in hex, or a part of the URL.
	Query       string
	TEE         string
	Fingerprint string
	MRSigner    string
	Signer      string
	URL         string
	Status      string
	Tier        string
	State       string
	Registrar   string
	// Cursor is where the page before ended, empty for the first page.
	Cursor string
	// Limit is the size of a page: 1 to 200, 0 for 50.
	Limit int
}

// Page is a part of a listing, newest record first.
type Page struct {
	Records []Record
	// NextCursor is empty on the last page.
	NextCursor string
}
