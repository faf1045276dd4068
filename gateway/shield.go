// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"slices"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// shield opens what callers encrypt to this node.
type shield struct {
	key *rsa.PrivateKey
	// turn waits for the caller's turn: a request in blocks may keep a core busy
	// for half a second.
	turn func(context.Context) (func(), error)
}

// checkForm refuses a cyphertext for its length alone, before any work is done
// for it.
func checkForm(cyphertext []byte) error {
	const overhead = len(client.ShieldTag) + client.ShieldBlock
	switch n := len(cyphertext); {
	case n > client.MaxCyphertext:
		return rats.Errorf(rats.TooLarge, "cyphertext: %d bytes, at most %d", n, client.MaxCyphertext)
	case bytes.HasPrefix(cyphertext, []byte(client.ShieldTag)):
		if n <= overhead {
			return rats.Errorf(rats.Malformed, "cyphertext: %d bytes, more than %d were announced", n, overhead)
		}
	case n == 0 || n%client.ShieldBlock != 0:
		return rats.Errorf(rats.Malformed, "cyphertext: %d bytes are no blocks of %d", n, client.ShieldBlock)
	case n > client.MaxShieldBlocks*client.ShieldBlock:
		return rats.Errorf(rats.TooLarge, "cyphertext: %d blocks, at most %d", n/client.ShieldBlock, client.MaxShieldBlocks)
	}
	return nil
}

// errSealed is what is said of every cyphertext that does not open, and of what
// comes out of one that is no transaction that somebody signed whole: to tell
// more would tell about the content to whoever puts the pieces together anew.
func errSealed() error {
	return rats.Errorf(rats.Malformed, "cyphertext: it does not decrypt to a signed transaction")
}

// open returns the signed transaction that a request holds.
func (s *shield) open(ctx context.Context, r client.Request) (*record.Opened, []byte, error) {
	if err := checkForm(r.Cyphertext); err != nil {
		return nil, nil, err
	}
	done, err := s.turn(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	tx, err := s.decrypt(r)
	if err != nil {
		return nil, nil, errSealed()
	}
	o, err := record.Open(tx)
	if err != nil || o.Verify() != nil { // nobody signs a time tick
		return nil, nil, errSealed()
	}
	return o, tx, nil
}

// decrypt undoes [client.Shield] and [client.ShieldInBlocks].
func (s *shield) decrypt(r client.Request) ([]byte, error) {
	sealed, hybrid := bytes.CutPrefix(r.Cyphertext, []byte(client.ShieldTag))
	if hybrid {
		secret, err := s.block(sealed[:client.ShieldBlock])
		if err != nil {
			return nil, err
		}
		aead, err := client.ShieldAEAD(secret)
		if err != nil {
			return nil, err
		}
		return aead.Open(nil, make([]byte, aead.NonceSize()), sealed[client.ShieldBlock:], r.Shard[:])
	}
	var tx []byte
	for block := range slices.Chunk(r.Cyphertext, client.ShieldBlock) {
		part, err := s.block(block)
		if err != nil {
			return nil, err
		}
		tx = append(tx, part...)
	}
	return tx, nil
}

func (s *shield) block(b []byte) ([]byte, error) {
	return rsa.DecryptOAEP(sha256.New(), nil, s.key, b, nil)
}
