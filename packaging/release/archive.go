// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// file is one file of an archive.
type file struct {
	data []byte
	mode int64
}

// tree is the files of an archive by their path, in which folders are divided
// by slashes.
type tree map[string]file

func (t tree) add(name string, data []byte) { t[name] = file{data, 0o644} }

// writeArchives writes an archive a target, and SHA256SUMS of all.
func (b *builder) writeArchives(ctx context.Context) error {
	if err := os.MkdirAll(b.out, 0o755); err != nil { //nolint:gosec // releases are public
		return err
	}
	common, err := b.common(ctx)
	if err != nil {
		return err
	}
	sums := map[string]string{}
	for _, t := range b.targets {
		files, err := b.files(ctx, t)
		if err != nil {
			return err
		}
		maps.Copy(files, common)
		data, err := files.pack(b.name(t), b.epoch)
		if err != nil {
			return err
		}
		name := b.name(t) + ".tar.gz"
		if err := os.WriteFile(filepath.Join(b.out, name), data, 0o644); err != nil { //nolint:gosec // releases are public
			return err
		}
		sums[name] = fmt.Sprintf("%x", sha256.Sum256(data))
		_, _ = fmt.Fprintf(b.log, "wrote %s\n", filepath.Join(b.out, name))
	}
	var list strings.Builder
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		_, _ = fmt.Fprintf(&list, "%s  %s\n", sums[name], name) // as sha256sum -c reads it
	}
	return os.WriteFile(filepath.Join(b.out, "SHA256SUMS"), []byte(list.String()), 0o644) //nolint:gosec // releases are public
}

// files returns what differs between targets.
func (b *builder) files(ctx context.Context, t target) (tree, error) {
	binary, err := b.binary(ctx, t)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	list, err := modules(binary)
	if err != nil {
		return nil, err
	}
	licences, err := notices(ctx, binary)
	if err != nil {
		return nil, err
	}
	files := tree{"attesteer": {data, 0o755}}
	files.add("MODULES", []byte(list))
	files.add("THIRD-PARTY-LICENSES", []byte(licences))
	return files, nil
}

// common returns what all targets share: documents and the service's files from
// the sources, manual pages and completions from the binary itself.
func (b *builder) common(ctx context.Context) (tree, error) {
	files := tree{}
	for from, to := range map[string]string{
		"LICENSE":                             "LICENSE",
		"README.md":                           "README.md",
		"docs/operations/install.md":          "INSTALL.md",
		"packaging/alerts.yml":                "monitoring/alerts.yml",
		"packaging/systemd/attesteer.service": "systemd/attesteer.service",
		"packaging/systemd/attesteer.env":     "systemd/attesteer.env",
		"packaging/systemd/sysusers.conf":     "systemd/sysusers.conf",

		"packaging/systemd/attesteer-agent.service": "systemd/attesteer-agent.service",
		"packaging/systemd/agent.env":               "systemd/agent.env",
	} {
		data, err := os.ReadFile(filepath.FromSlash(from))
		if err != nil {
			return nil, err
		}
		files.add(to, data)
	}
	binary, err := b.binary(ctx, host())
	if err != nil {
		return nil, err
	}
	for shell, to := range map[string]string{
		"bash": "attesteer.bash", "zsh": "_attesteer", "fish": "attesteer.fish", "powershell": "attesteer.ps1",
	} {
		script, err := output(ctx, []string{}, binary, "completion", shell)
		if err != nil {
			return nil, err
		}
		files.add(path.Join("completions", to), []byte(script+"\n"))
	}
	man := filepath.Join(b.scratch, "man")
	if _, err := output(ctx, []string{}, binary, "man", man); err != nil {
		return nil, err
	}
	pages, err := os.ReadDir(man)
	if err != nil {
		return nil, err
	}
	for _, page := range pages {
		data, err := os.ReadFile(filepath.Join(man, page.Name()))
		if err != nil {
			return nil, err
		}
		files.add(path.Join("man", "man1", page.Name()), data)
	}
	return files, nil
}

// pack returns the files below a folder as a tar file under gzip. Entries are
// sorted and belong to root, times are the same for all, and gzip's header says
// nothing.
func (t tree) pack(folder string, at time.Time) ([]byte, error) {
	var out bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(compressed)
	folders := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		full := path.Join(folder, name)
		for _, dir := range ancestors(full) {
			if folders[dir] {
				continue
			}
			folders[dir] = true
			h := tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: at, Format: tar.FormatUSTAR}
			if err := archive.WriteHeader(&h); err != nil {
				return nil, err
			}
		}
		f := t[name]
		h := tar.Header{Typeflag: tar.TypeReg, Name: full, Mode: f.mode, Size: int64(len(f.data)), ModTime: at, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(&h); err != nil {
			return nil, err
		}
		if _, err := archive.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := compressed.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// ancestors returns the folders that a path lies in, from the outermost.
func ancestors(name string) []string {
	var out []string
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		out = append([]string{dir}, out...)
	}
	return out
}
