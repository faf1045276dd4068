// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/attesteer/attesteer/checkpoint"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/simtee"
)

// trusted is the trust of a reader who has the genesis file.
func (h *house) trusted(t *testing.T) proof.Trust {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(h.home, "config", "genesis.json"))
	if err != nil {
		t.Fatal(err)
	}
	trust, err := proof.ParseGenesis(b)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

func TestALightClientFollowsTheBlocks(t *testing.T) {
	h := open(t, "dev", nil)
	h.lives(t, 1)
	h.lives(t, 2)
	l, err := h.client("").Ledger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := proof.NewFollower(h.trusted(t))
	for height := uint64(1); height <= l.Height; height++ {
		raw, err := h.client("").Block(t.Context(), height)
		if err != nil {
			t.Fatal(err)
		}
		b, err := proof.DecodeBlock(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Add(b); err != nil || b.Header.Height != int64(height) {
			t.Fatalf("block %d: %v", height, err)
		}
	}
	latest, err := h.client("").Block(t.Context(), client.Latest)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := proof.DecodeBlock(latest); err != nil || b.Header.Height < f.Tip().Header.Height {
		t.Errorf("%v, %v", b, err)
	}
	for path, want := range map[string]int{
		"/v1/ledger/blocks/0": http.StatusNotFound, "/v1/ledger/blocks/99999999": http.StatusNotFound,
		"/v1/ledger/blocks/-1": http.StatusBadRequest, "/v1/ledger/blocks/first": http.StatusBadRequest,
		"/v1/ledger/blocks/18446744073709551615": http.StatusBadRequest,
	} {
		if got := h.get(t, path); got.status != want {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

func TestAWitnessSeesTheLogGrow(t *testing.T) {
	h := open(t, "dev", nil)
	l, err := h.client("").Ledger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key, err := checkpoint.ParseKey(l.CheckpointKey)
	if err != nil {
		t.Fatal(err)
	}
	var logs []checkpoint.Checkpoint
	for n := range uint64(4) {
		h.lives(t, n+1)
		note, err := h.client("").Checkpoint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c, _, err := checkpoint.Open(note, key)
		if err != nil {
			t.Fatal(err)
		}
		logs = append(logs, c)
	}
	for i, from := range logs {
		for _, to := range logs[i:] {
			got, err := h.client("").Consistency(t.Context(), from.Size, to.Size)
			if err != nil {
				t.Fatal(err)
			}
			var path []proof.Hex
			for _, text := range got.Path {
				b, err := hex.DecodeString(text)
				if err != nil {
					t.Fatal(err)
				}
				path = append(path, b)
			}
			later, earlier := proof.Log{Size: to.Size, Root: to.Root}, proof.Log{Size: from.Size, Root: from.Root}
			if err := later.Consistent(earlier, path); err != nil {
				t.Errorf("%d to %d: %v", from.Size, to.Size, err)
			}
		}
	}
	for query, want := range map[string]int{
		"": http.StatusBadRequest, "?from=2&to=1": http.StatusBadRequest, "?from=1&to=999": http.StatusNotFound,
		"?from=x&to=1": http.StatusBadRequest, "?from=-1&to=1": http.StatusBadRequest,
	} {
		if got := h.get(t, "/v1/ledger/consistency"+query); got.status != want {
			t.Errorf("%q: %d %s", query, got.status, got.body)
		}
	}
}

func TestAProofCarriesEventsAndIsOfTheHeightThatIsAskedFor(t *testing.T) {
	h := open(t, "dev", nil)
	var id string
	var heights []uint64
	for i := range uint32(3) {
		got, err := h.client("secret-word").SubmitEvidence(t.Context(), client.Submission{Evidence: quote(t, 7, simtee.Enclave{AttestationKey: i})})
		if err != nil {
			t.Fatal(err)
		}
		id, heights = got.Record.ID, append(heights, got.Height)
	}
	for i, height := range heights {
		got := h.get(t, "/v1/enclaves/"+id+"/proof?events=10&height="+strconv.FormatUint(height, 10))
		b, err := proof.Decode(got.body)
		if err != nil {
			t.Fatalf("%v in %.300s", err, got.body)
		}
		v, err := proof.Verify(b, h.trusted(t))
		if err != nil || v.Height != height || len(v.Events) != i+1 || v.Record.Attestations != uint64(i+1) {
			t.Errorf("height %d: %+v, %v", height, v, err)
		}
	}
	for query, want := range map[string]int{
		"?height=999999": http.StatusNotFound, "?events=-1": http.StatusBadRequest, "?events=257": http.StatusBadRequest, "?height=x": http.StatusBadRequest,
	} {
		if got := h.get(t, "/v1/enclaves/"+id+"/proof"+query); got.status != want {
			t.Errorf("%q: %d %s", query, got.status, got.body)
		}
	}
}

func TestLightCallsAreServedOverRPCToo(t *testing.T) {
	h := open(t, "dev", nil)
	h.lives(t, 1)
	for method, want := range map[string]string{
		`"registry.block","params":["1"]`:       `"header"`,
		`"registry.block","params":["none"]`:    `"malformed"`,
		`"registry.consistency","params":[1,1]`: `"path":[]`,
		`"registry.checkpoint"`:                 `attesteer/`,
	} {
		got := h.post(t, "/", "secret-word", `{"jsonrpc":"2.0","id":1,"method":`+method+`}`)
		if !strings.Contains(string(got.body), want) || !json.Valid(got.body) {
			t.Errorf("%s: %.300s", method, got.body)
		}
	}
}
