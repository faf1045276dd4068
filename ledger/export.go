// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/attesteer/attesteer/registry"
)

// Export reads the state of a home on which no node runs, at its newest height:
// begin gets which state it is, then fn each of its parts, in the same order on
// every node. Their first error ends it. Errors about the home are *[HomeError].
func Export(ctx context.Context, dir string, begin func(registry.Standing) error, fn func(registry.Part) error) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || !Founded(dir) {
		return (&home{dir: dir}).wrap("", errors.New("holds no ledger"))
	}
	h, err := openHome(dir)
	if err != nil {
		return err
	}
	return errors.Join(h.export(ctx, begin, fn), h.close())
}

func (h *home) export(ctx context.Context, begin func(registry.Standing) error, fn func(registry.Part) error) error {
	s, err := openStore(h.path(dataPath))
	if err != nil {
		return err
	}
	return errors.Join(exportFrom(ctx, s, begin, fn), s.Close())
}

func exportFrom(ctx context.Context, v registry.View, begin func(registry.Standing) error, fn func(registry.Part) error) error {
	at, err := registry.Stand(v)
	if err != nil {
		return err
	}
	if err := begin(at); err != nil {
		return err
	}
	return registry.Parts(v, func(p registry.Part) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return fn(p)
	})
}
