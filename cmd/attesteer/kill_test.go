// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// kills is how often the node is killed in the middle of submissions.
const kills = 20

// perKill is how many acknowledgements each kill waits for, if they come.
const perKill = 8

// TestNothingAcknowledgedIsLostWhenTheNodeIsKilled submits from two clients,
// kills the node with SIGKILL while they do, starts it again, twenty times over,
// and then looks up everything that was ever acknowledged.
func TestNothingAcknowledgedIsLostWhenTheNodeIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes about a minute")
	}
	home := t.TempDir()
	platform, err := simtee.NewPlatform(7, rats.UpToDate)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex // guards acknowledged and next
	acknowledged := map[string]int{}
	next := uint64(0)
	for round := range kills {
		p := startNode(t, home, "--network", "dev")
		ctx, cancel := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for range 2 {
			clients.Go(func() {
				for ctx.Err() == nil {
					mu.Lock()
					next++
					n := next
					mu.Unlock()
					q, err := platform.Quote(numbered(n))
					if err != nil {
						t.Error(err)
						return
					}
					id, err := submitQuote(ctx, p.url, q)
					if err != nil {
						return // the node is gone
					}
					mu.Lock()
					acknowledged[id] = round
					mu.Unlock()
				}
			})
		}
		// The node is at work, and each round is cut at another moment of the
		// block's life.
		count := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(acknowledged)
		}
		for want, waited := count()+perKill, 0; count() < want && waited < 1000; waited++ {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Duration(round) * time.Millisecond)
		p.kill()
		cancel()
		clients.Wait()
	}
	if len(acknowledged) < 2*kills {
		t.Fatalf("only %d submissions were acknowledged in %d rounds: the test shows nothing", len(acknowledged), kills)
	}
	p := startNode(t, home, "--network", "dev")
	for id, round := range acknowledged {
		if status, body := call(t, http.MethodGet, p.url+"/v1/enclaves/"+id, "", ""); status != http.StatusOK {
			t.Errorf("record %s, acknowledged in round %d, is gone: %d %s", id, round, status, body)
		}
	}
	t.Logf("%d acknowledged records survived %d kills", len(acknowledged), kills)
}

// numbered returns a simulated enclave that differs from all others.
func numbered(n uint64) simtee.Enclave {
	e := simtee.Enclave{MREnclave: sha256.Sum256([]byte("load")), ISVProdID: 1, ISVSVN: 1, Platform: 7}
	binary.BigEndian.PutUint64(e.ReportData[:], n)
	return e
}

// submitQuote posts a quote and returns the record's id.
func submitQuote(ctx context.Context, url string, quote []byte) (string, error) {
	body, err := json.Marshal(map[string]string{"evidence": base64.StdEncoding.EncodeToString(quote)})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/evidence", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer dev")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close() //nolint:errcheck // decoded to its end
	var got struct {
		Kind   rats.Kind `json:"kind"`
		Detail string    `json:"detail"`
		Record struct {
			ID string `json:"id"`
		} `json:"record"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusCreated {
		return "", rats.Errorf(got.Kind, "%s", got.Detail)
	}
	return got.Record.ID, nil
}
