// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// Bounds on what is read, so that a folder chosen by mistake, or made to hurt,
// costs little.
const (
	// maxFile bounds one file. Intel's largest statements stay under 65,534
	// bytes, the limit of its own library.
	maxFile = 1 << 20
	// maxEntries bounds the files and folders looked at, maxTotal the bytes read.
	maxEntries = 20_000
	maxTotal   = 128 << 20
)

// Folder is what a folder of files was found to hold: endorsements, each
// checked up to a trusted root, and what was refused. It never changes after it
// was read, and is safe for concurrent use.
type Folder struct {
	items    []item
	refusals []Refusal
}

// item is an endorsement with what its check established.
type item struct {
	rats.Endorsement
	info *attesteer.EndorsementInfo
}

// Refusal is a file, or a part of one, that gave no endorsement.
type Refusal struct {
	// Name is the file's path in the folder, with forward slashes.
	Name string
	// Err says why; it is a *rats.Error.
	Err error
	// Foreign marks what does not look like an endorsement at all, such as a
	// read-me that lies in the folder. Nobody needs to be told of it.
	Foreign bool
}

// ReadFolder reads every file below dir and returns what verifies up to one of
// roots; nil stands for the vendors' pinned roots. Files are recognised by what
// they contain, whatever their names and wherever in the folder they lie:
//
//   - TCB info, QE identities and TCB evaluation data numbers as PCS answers
//     them (PCS API v4);
//   - CRLs in DER, in PEM, or in ASCII hex;
//   - certificates in PEM, alone or in chains, also percent-encoded as in the
//     headers of PCS, or in DER; those of platforms are endorsements themselves;
//   - Open Enclave's endorsements, of SGX evidence and of TDX quotes;
//   - JSON that holds these in its fields, such as the bundles that libraries
//     keep for one quote, and the files of caches that keep a statement as text.
//
// A statement is returned once for each certificate in the folder that vouches
// for it, since their dates may differ. A file that fits nothing, or whose
// content does not verify, is a refusal and never an error. Symbolic links are
// not followed, and files of more than 1 MiB are refused.
//
// The error is of kind too_large for a folder of more than 20,000 entries or
// 128 MiB; a folder that cannot be read is the file system's error.
func ReadFolder(ctx context.Context, dir string, roots []rats.TrustRoot) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // nothing was written
	c := &collection{}
	w := walk{ctx: ctx, root: root, into: c}
	if err := fs.WalkDir(root.FS(), ".", w.visit); err != nil {
		return nil, err
	}
	return c.pair(ctx, roots)
}

// Read reads one file's content as if it lay alone in a folder under the given
// name. What it holds must vouch for itself: a bundle with its chains does, a
// bare statement is refused for want of a certificate.
func Read(name string, data []byte, roots []rats.TrustRoot) *Folder {
	c := &collection{}
	c.add(name, data)
	folder, _ := c.pair(context.Background(), roots) // fails only when its context ends
	return folder
}

// All returns every endorsement of the folder, in an order that depends on
// their content alone.
func (f *Folder) All() []rats.Endorsement {
	out := make([]rats.Endorsement, 0, len(f.items))
	for _, it := range f.items {
		out = append(out, it.Endorsement)
	}
	return out
}

// Refusals returns what was passed over, by name.
func (f *Folder) Refusals() []Refusal { return slices.Clone(f.refusals) }

// Endorsements implements [Source]. It returns stale endorsements too, so that
// an appraisal can tell stale from missing.
func (f *Folder) Endorsements(
	ctx context.Context, needs []attesteer.Need, _ time.Time,
) ([]rats.Endorsement, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var out []rats.Endorsement
	for _, it := range f.items {
		if slices.ContainsFunc(needs, func(n attesteer.Need) bool { return fits(it.info.Key, n) }) {
			out = append(out, it.Endorsement)
		}
	}
	return out, nil
}

// walk visits the entries of a folder and hands on the content of its files.
type walk struct {
	ctx     context.Context //nolint:containedctx // lives for one walk
	root    *os.Root
	into    *collection
	entries int
	total   int64
}

func (w *walk) visit(name string, entry fs.DirEntry, err error) error {
	if ctxErr := w.ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	if err != nil {
		if name == "." {
			return err
		}
		w.into.unreadable(name, err)
		return nil
	}
	if w.entries++; w.entries > maxEntries {
		return rats.Errorf(rats.TooLarge, "more than %d files and folders", maxEntries)
	}
	switch {
	case entry.IsDir():
		return nil
	case !entry.Type().IsRegular():
		w.into.refuse(name, true, rats.Errorf(rats.Malformed, "not a regular file"))
		return nil
	}
	data, err := w.read(name)
	switch {
	case rats.KindOf(err) == rats.TooLarge:
		w.into.refuse(name, true, rats.Errorf(rats.Malformed, "more than %d bytes", maxFile))
		return nil
	case err != nil:
		w.into.unreadable(name, err)
		return nil
	}
	if w.total += int64(len(data)); w.total > maxTotal {
		return rats.Errorf(rats.TooLarge, "more than %d bytes in all", maxTotal)
	}
	w.into.add(name, data)
	return nil
}

// read returns the content of one file, and reads no more than the limit of it.
func (w *walk) read(name string) ([]byte, error) {
	f, err := w.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, rats.TooLarge
	}
	return data, nil
}

func (c *collection) refuse(name string, foreign bool, err error) {
	c.refusals = append(c.refusals, Refusal{Name: name, Err: err, Foreign: foreign})
}

// unreadable notes a file or folder that the file system would not give. Only
// the cause is kept of its error: the name is in the refusal already.
func (c *collection) unreadable(name string, err error) {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	c.refuse(name, false, rats.Errorf(rats.EndorsementUnavailable, "cannot be read: %w", err))
}

func byName(a, b Refusal) int {
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return strings.Compare(a.Err.Error(), b.Err.Error())
}

// PCKCertificates implements [Certifier].
func (f *Folder) PCKCertificates(
	ctx context.Context, platform dcap.PlatformName, _ time.Time,
) ([]rats.Endorsement, error) {
	var out []rats.Endorsement
	for _, it := range f.items {
		if it.Kind == rats.PCKCertificate && platform.Certifies(it.Endorsement) {
			out = append(out, it.Endorsement)
		}
	}
	return out, ctx.Err()
}
