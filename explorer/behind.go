// SPDX-License-Identifier: Apache-2.0

package explorer

import (
	"errors"
	"io/fs"
	"os"

	"github.com/attesteer/attesteer/rats"
)

// Behind returns how many events the index lacks. It takes them when it is next
// read.
func (x *Index) Behind() uint64 {
	count, next := x.src.EventCount(), x.next.Load()
	if next >= count {
		return 0
	}
	return count - next
}

// Size returns the bytes of the files of an index that keeps its own, as they
// stand on disk; zero for one in a database that was handed in.
func (x *Index) Size() (int64, error) {
	if x.path == "" {
		return 0, nil
	}
	var size int64
	for _, ending := range []string{"", "-wal", "-shm"} {
		st, err := os.Stat(x.path + ending)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return 0, rats.Errorf(rats.Internal, "index: %w", err)
		default:
			size += st.Size()
		}
	}
	return size, nil
}
