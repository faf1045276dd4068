// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strconv"
	"testing"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/record"
)

func TestAListingIsRememberedForOneLedgerTimeAlone(t *testing.T) {
	var l listings
	f := record.Filter{TEE: "sgx"}
	one, two := new(client.Page), new(client.Page)
	l.put(5, f, one)
	if l.get(5, f) != one || l.get(4, f) != nil || l.get(6, f) != nil || l.get(5, record.Filter{}) != nil {
		t.Error("another page than the one that was put")
	}
	l.put(6, f, two)
	l.put(5, f, one) // too late
	if l.get(6, f) != two || l.get(5, f) != nil {
		t.Error("the past came back")
	}
	for i := range 3 * maxListings {
		l.put(6, record.Filter{Query: strconv.Itoa(i)}, one)
		if len(l.pages) > maxListings {
			t.Fatalf("%d pages are remembered", len(l.pages))
		}
	}
}
