// SPDX-License-Identifier: Apache-2.0

package attester

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/attesteer/attesteer/rats"
)

// Files is what the devices need of a file system. Names have slashes and none
// before them: "dev/attestation/quote". Errors wrap the system's: syscall.Errno
// or what errors.Is takes for [fs.ErrNotExist] and [fs.ErrPermission].
type Files interface {
	// Stat returns nil if there is a file or a folder of this name.
	Stat(name string) error
	// Mkdir makes a folder, in one that exists.
	Mkdir(name string) error
	// Remove removes an empty folder. In configfs a folder counts as empty that
	// holds attributes alone.
	Remove(name string) error
	// ReadFile returns a whole file, opened once; of one that is longer than
	// limit, limit+1 bytes.
	ReadFile(name string, limit int) ([]byte, error)
	// WriteFile opens a file that exists, writes data at once, and closes it. It
	// makes no file and shortens none.
	WriteFile(name string, data []byte) error
}

// folder is the [Files] below a folder of the system.
type folder string

func (f folder) path(name string) string { return filepath.Join(string(f), filepath.FromSlash(name)) }

func (f folder) Stat(name string) error {
	_, err := os.Stat(f.path(name))
	return err
}

func (f folder) Mkdir(name string) error  { return os.Mkdir(f.path(name), 0o700) }
func (f folder) Remove(name string) error { return os.Remove(f.path(name)) }

func (f folder) ReadFile(name string, limit int) ([]byte, error) {
	file, err := os.Open(f.path(name))
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // opened for reading
	return io.ReadAll(io.LimitReader(file, int64(limit)+1))
}

// WriteFile creates nothing, or a machine without the device would get a file in
// its place. An error may come from the closing: that is when pseudo-files are
// acted upon.
func (f folder) WriteFile(name string, data []byte) error {
	file, err := os.OpenFile(f.path(name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}

// devices are the files of a machine's devices, and how patiently they are asked.
type devices struct {
	files Files
	root  string
	pause pause
}

func (o Options) devices() devices {
	d := devices{files: o.Files, root: o.Root, pause: pause(o.Pause)}
	if d.root == "" {
		d.root = "/"
	}
	if d.files == nil {
		d.files = folder(d.root)
	}
	if d.pause <= 0 {
		d.pause = pause(DefaultPause)
	}
	return d
}

// path returns a file's name for people.
func (d devices) path(name string) string { return folder(d.root).path(name) }

// read returns a file of a device, at most limit bytes of it.
func (d devices) read(ctx context.Context, name string, limit int) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, overdue(ctx, d.path(name))
	}
	raw, err := d.files.ReadFile(name, limit)
	if err != nil {
		return nil, err
	}
	if len(raw) > limit {
		return nil, rats.Errorf(rats.TooLarge, "%s: over %d bytes", d.path(name), limit)
	}
	return raw, nil
}

// text returns a file that holds one word and perhaps an end of the line.
func (d devices) text(ctx context.Context, name string) (string, error) {
	const longest = 4 << 10 // a page: what an attribute can hold (Documentation/filesystems/configfs)
	raw, err := d.read(ctx, name, longest)
	return strings.TrimSpace(string(raw)), err
}

// fault says which file of a device could not be used and why, as an error with
// a kind; what has one already stays as it is.
func (d devices) fault(verb, name string, err error, advice string) error {
	var known *rats.Error
	if errors.As(err, &known) {
		return err
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	kind := rats.Internal
	switch {
	case errors.Is(err, fs.ErrPermission):
		kind = rats.Unauthorized
		if advice == "" {
			advice = "the device is its owner's: run this as root, or let this user use " + d.path(name)
		}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENOTTY):
		kind = rats.Unsupported
	}
	return advise(rats.Errorf(kind, "%s %s: %w", verb, d.path(name), err), advice)
}
