// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// The user that a container runs as, by number: an image without a shell has no
// other program that could look up a name. 65532 is what images of this kind
// commonly use.
const (
	users  = "root:x:0:0:root:/root:/sbin/nologin\nattesteer:x:65532:65532:Attesteer node:/var/lib/attesteer:/sbin/nologin\n"
	groups = "root:x:0:\nattesteer:x:65532:\n"
)

// writeImage writes what an image holds beside certificates: below root the
// binary, the names of users, a folder for temporary files and the licences;
// beside it home, which is empty and becomes the node's.
func (b *builder) writeImage(ctx context.Context) error {
	if _, err := os.Lstat(b.image); !errors.Is(err, fs.ErrNotExist) {
		return errors.New(b.image + " is there already")
	}
	files, err := b.files(ctx, b.targets[0])
	if err != nil {
		return err
	}
	licence, err := os.ReadFile("LICENSE")
	if err != nil {
		return err
	}
	root := tree{
		"usr/bin/attesteer":                            {files["attesteer"].data, 0o755},
		"usr/share/doc/attesteer/LICENSE":              {licence, 0o644},
		"usr/share/doc/attesteer/MODULES":              files["MODULES"],
		"usr/share/doc/attesteer/THIRD-PARTY-LICENSES": files["THIRD-PARTY-LICENSES"],
		"etc/passwd": {[]byte(users), 0o644},
		"etc/group":  {[]byte(groups), 0o644},
	}
	for _, name := range slices.Sorted(maps.Keys(root)) {
		if err := b.place(filepath.Join(b.image, "root", filepath.FromSlash(name)), root[name]); err != nil {
			return err
		}
	}
	if err := folder(filepath.Join(b.image, "root", "tmp"), 0o777|fs.ModeSticky); err != nil {
		return err
	}
	return folder(filepath.Join(b.image, "home"), 0o700)
}

// place writes a file, with the modes and the time that it is to have, whatever
// this process's mask is.
func (b *builder) place(name string, f file) error {
	var missing []string
	for dir := filepath.Dir(name); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		missing = append(missing, dir)
	}
	slices.Reverse(missing)
	for _, dir := range missing {
		if err := folder(dir, 0o755); err != nil {
			return err
		}
	}
	mode := fs.FileMode(f.mode) //nolint:gosec // a mode of this file's own
	if err := os.WriteFile(name, f.data, mode); err != nil {
		return err
	}
	return errors.Join(os.Chmod(name, mode), os.Chtimes(name, b.epoch, b.epoch))
}

func folder(name string, mode fs.FileMode) error {
	if err := os.Mkdir(name, mode.Perm()); err != nil {
		return err
	}
	return os.Chmod(name, mode)
}
