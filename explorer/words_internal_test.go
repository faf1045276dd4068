// SPDX-License-Identifier: Apache-2.0

package explorer

import (
	"testing"

	"github.com/attesteer/attesteer/record"
)

func TestEveryEventIsToldInWords(t *testing.T) {
	seen := map[string]record.EventKind{}
	for _, kind := range record.EventKinds() {
		word, sentence := eventWords(kind), eventSentence(kind)
		if word == "" || word == string(kind) || sentence == "" {
			t.Errorf("%s: %q, %q", kind, word, sentence)
		}
		for _, text := range []string{word, sentence} {
			if other, ok := seen[text]; ok && other != kind {
				t.Errorf("%s and %s are told alike: %q", kind, other, text)
			}
			seen[text] = kind
		}
	}
}
