// SPDX-License-Identifier: Apache-2.0

package clienttool_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/pccs/clienttool"
)

func states(changes []clienttool.Change) map[string]clienttool.State {
	out := make(map[string]clienttool.State)
	for _, c := range changes {
		out[c.Name] = c.State
	}
	return out
}

func TestTwoFilesAreComparedByWhatTheyHold(t *testing.T) {
	before, after := sample(t, day), sample(t, day.AddDate(0, 0, 1))
	after.TCBInfos[0].SGXEarly, before.TCBInfos[0].TDX = nil, nil
	after.Identities[0].Body = before.Identities[0].Body
	got := states(clienttool.Compare(before.Inventory(), after.Inventory()))
	want := map[string]clienttool.State{
		"tcb_info sgx 00a51e000000 standard v4":                           clienttool.Newer,
		"tcb_info sgx 00a51e000000 early v4":                              clienttool.Missing,
		"tcb_info tdx 00a51e000000 standard v4":                           clienttool.Added,
		"qe_identity sgx standard v4":                                     clienttool.Same,
		"qe_identity sgx early v4":                                        clienttool.Newer,
		"qe_identity tdx standard v4":                                     clienttool.Newer,
		"pck_crl platform":                                                clienttool.Newer,
		"root_crl":                                                        clienttool.Newer,
		"pck_cert " + qeID + " 0000 " + strings.Repeat("0E", 16) + "0D00": clienttool.Same,
	}
	for name, state := range want {
		if got[name] != state {
			t.Errorf("%s is %s, want %s", name, got[name], state)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	back := states(clienttool.Compare(after.Inventory(), before.Inventory()))
	if back["root_crl"] != clienttool.Older || back["tcb_info tdx 00a51e000000 standard v4"] != clienttool.Missing {
		t.Errorf("the other way round: %v", back)
	}
}

func TestAStatementIsTheSameHoweverItIsSpaced(t *testing.T) {
	file := marshal(t, sample(t, day), 4)
	a, b := must(clienttool.Parse(file))(t), must(clienttool.Parse(spaced(file)))(t)
	for _, c := range clienttool.Compare(a.Inventory(), b.Inventory()) {
		if c.State != clienttool.Same {
			t.Errorf("%s is %s", c.Name, c.State)
		}
	}
}

func TestWhatDiffersOnOneDateIsNeitherNewerNorOlder(t *testing.T) {
	a := clienttool.Item{Name: "x", SHA256: [32]byte{1}, Issued: day}
	b := clienttool.Item{Name: "x", SHA256: [32]byte{2}, Issued: day}
	later, undated := b, b
	later.EvaluationNumber, undated.Issued = 3, time.Time{}
	for _, c := range []struct {
		after clienttool.Item
		want  clienttool.State
	}{{b, clienttool.Changed}, {later, clienttool.Newer}, {undated, clienttool.Changed}, {a, clienttool.Same}} {
		if got := clienttool.Compare([]clienttool.Item{a}, []clienttool.Item{c.after})[0].State; got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
	if got := clienttool.Compare([]clienttool.Item{later, a}, []clienttool.Item{later})[0].State; got != clienttool.Same {
		t.Errorf("of two of one name the later counts: %s", got)
	}
}

func TestItemsAreWrittenForPrograms(t *testing.T) {
	item := sample(t, day).Inventory()[0]
	got := string(must(json.Marshal(item))(t))
	for _, want := range []string{`"issued":"2026-11-21T00:00:00Z"`, `"evaluation_data_number":20`, `"sha256":"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	if got := string(must(json.Marshal(clienttool.Item{}))(t)); !strings.Contains(got, `"issued":null`) {
		t.Errorf("got %s", got)
	}
}
