// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// BenchmarkSubmit measures submissions of distinct quotes from one platform by
// four clients, through HTTP to the committed block.
func BenchmarkSubmit(b *testing.B) {
	h := open(b, "dev", nil)
	platform, err := simtee.NewPlatform(7, rats.UpToDate)
	if err != nil {
		b.Fatal(err)
	}
	quotes := make([][]byte, b.N)
	for i := range quotes {
		e := simtee.Enclave{Platform: 7, ISVSVN: 1}
		e.ReportData[0], e.ReportData[1], e.ReportData[2], e.ReportData[3] = byte(i), byte(i>>8), byte(i>>16), 1
		if quotes[i], err = platform.Quote(e); err != nil {
			b.Fatal(err)
		}
	}
	c := h.client("any")
	var next atomic.Int64
	var clients sync.WaitGroup
	b.ResetTimer()
	for range 4 {
		clients.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(quotes)); i = next.Add(1) - 1 {
				if _, err := c.SubmitEvidence(b.Context(), client.Submission{Evidence: quotes[i]}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "registrations/s")
}
