// SPDX-License-Identifier: Apache-2.0

package endorse_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// Endorsements are read from a folder once, in any layout, and serve for as many
// verifications as one likes. Here the folder is that of a simulated vendor.
func ExampleReadFolder() {
	at := time.Date(2025, 6, 20, 10, 55, 0, 0, time.UTC)
	dir, err := os.MkdirTemp("", "endorsements")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // an example cleans up as well as it can
	items, err := simtee.EndorsementsFor(rats.TDX, at)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := endorse.WriteFolder(dir, items); err != nil {
		fmt.Println(err)
		return
	}

	roots := []rats.TrustRoot{simtee.Root()} // nil for the vendors' own
	folder, err := endorse.ReadFolder(context.Background(), dir, roots)
	if err != nil {
		fmt.Println(err)
		return
	}
	endorsements, err := attesteer.ParseEndorsements(folder.All()...)
	if err != nil {
		fmt.Println(err)
		return
	}
	quote, err := simtee.TD{MRTD: [48]byte{1}}.Quote()
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := attesteer.Verify(attesteer.Evidence{Raw: quote}, endorsements, attesteer.Policy{Roots: roots}, at)
	fmt.Println(result.TEE, result.TCB.Status, err)
	for _, e := range result.Endorsements {
		fmt.Println(e.Kind, "until", e.NextUpdate.Format(time.DateOnly))
	}
	// Output:
	// tdx UpToDate <nil>
	// tcb_info until 2025-07-20
	// qe_identity until 2025-07-20
	// root_ca_crl until 2025-07-20
	// pck_crl until 2025-07-20
}
