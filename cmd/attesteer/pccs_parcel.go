// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/pccs"
	"github.com/attesteer/attesteer/pccs/clienttool"
	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/simtee"
)

// pccsParcel is what a file or a folder was found to hold for a PCCS, of which
// nothing is verified yet but what lay in a folder. One of its parts is set.
type pccsParcel struct {
	// form says for people what it is.
	form       string
	collateral *clienttool.Collateral
	platforms  []clienttool.Platform
	batch      *store.Batch
	// refused are parts that are no use, and why.
	refused []pccs.RefusedItem
}

// Forms of what is read, beside those of clienttool.
const (
	formDatabase = "database of Intel's PCCS"
	formFolder   = "folder"
	formFile     = "file of endorsements"
)

// sqliteMagic begins every database file of SQLite (its file format, 1.3).
const sqliteMagic = "SQLite format 3\x00"

// parcelOptions say how a folder is read.
type parcelOptions struct {
	simulated bool
	// number is the evaluation that is the standard one, zero for the usual rule.
	number uint32
}

// openParcel reads a file or folder, recognised by what is in it.
func (a *app) openParcel(ctx context.Context, name string, opt parcelOptions) (*pccsParcel, error) {
	if st, err := os.Stat(name); err == nil && st.IsDir() {
		return a.folderParcel(ctx, name, opt)
	}
	data, err := a.readLarge(name)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(data, []byte(sqliteMagic)) {
		if name == "-" {
			return nil, usagef("a database is read from a file, not from standard input")
		}
		return legacyParcel(ctx, name)
	}
	form, _ := clienttool.Recognise(data)
	p := &pccsParcel{form: string(form)}
	switch form {
	case clienttool.CollateralFile:
		p.collateral, err = clienttool.Parse(data)
	case clienttool.PlatformList:
		p.platforms, err = clienttool.ParsePlatforms(data)
	default:
		folder := endorse.Read(filepath.Base(name), data, trustedRoots(opt.simulated))
		if len(folder.All()) == 0 {
			return nil, nothingTaken(folder)
		}
		p.form = formFile
		err = p.addFolder(folder, opt, "")
	}
	if err != nil {
		return nil, namedFile(name, err)
	}
	return p, nil
}

// namedFile puts the name of a file before what is wrong with it.
func namedFile(name string, err error) error {
	e := *rats.AsError(err)
	e.Detail = name + ": " + e.Detail
	return &e
}

// readLarge reads FILE, or standard input for "-", up to what a file of
// collateral may have.
func (a *app) readLarge(name string) ([]byte, error) {
	in := a.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fileError("read", name, err)
		}
		defer f.Close() //nolint:errcheck // opened for reading
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, clienttool.MaxSize+1))
	if err != nil {
		return nil, fileError("read", name, err)
	}
	if len(b) > clienttool.MaxSize {
		return nil, rats.Errorf(rats.TooLarge, "%s is over %d bytes", name, clienttool.MaxSize)
	}
	return b, nil
}

// legacyParcel reads the database of Intel's PCCS.
func legacyParcel(ctx context.Context, name string) (*pccsParcel, error) {
	old, err := store.ReadLegacy(ctx, name)
	if err != nil {
		return nil, err
	}
	p := &pccsParcel{form: formDatabase, batch: &store.Batch{
		Artefacts: old.Artefacts, Platforms: old.Platforms, RawTCBs: old.RawTCBs, PCKCerts: old.PCKCerts,
		Chains: old.Chains, Policies: old.Policies, Enqueue: old.Queue,
	}}
	for _, skipped := range old.Skipped {
		p.refused = append(p.refused, pccs.RefusedItem{Name: "a row", Err: rats.Errorf(rats.Malformed, "%s", skipped)})
	}
	return p, nil
}

// folderParcel reads a folder of endorsements in any layout. What lies in its
// folders standard and early, in which an export puts it, is kept as such.
func (a *app) folderParcel(ctx context.Context, name string, opt parcelOptions) (*pccsParcel, error) {
	p := &pccsParcel{form: formFolder}
	known := false
	for _, update := range []string{store.Standard, store.Early} {
		dir := filepath.Join(name, update)
		if st, err := os.Stat(dir); err != nil || !st.IsDir() {
			continue
		}
		folder, err := a.openFolder(ctx, dir, trustedRoots(opt.simulated))
		if err != nil {
			return nil, err
		}
		known = known || update == store.Standard
		if err := p.addFolder(folder, opt, update); err != nil {
			return nil, err
		}
	}
	all, err := a.openFolder(ctx, name, trustedRoots(opt.simulated))
	if err != nil {
		return nil, err
	}
	if known && opt.number == 0 {
		// What is standard is said: the rest goes by number.
		opt.number = noNumber
	}
	if err := p.addFolder(all, opt, ""); err != nil {
		return nil, err
	}
	a.sayRefusals(all)
	if len(p.batch.Artefacts) == 0 {
		return nil, nothingTaken(all)
	}
	return p, nil
}

// noNumber is an evaluation number that there is none of.
const noNumber = 1<<32 - 1

// addFolder adds what a folder holds, unless a statement is there already.
func (p *pccsParcel) addFolder(folder *endorse.Folder, opt parcelOptions, update string) error {
	roots, err := rootCertificates(opt.simulated)
	if err != nil {
		return err
	}
	batch, refused := pccs.FromEndorsements(folder.All(), pccs.FolderOptions{Update: update, Number: opt.number, Roots: roots})
	p.refused = append(p.refused, refused...)
	if p.batch == nil {
		p.batch = &store.Batch{}
	}
	for _, one := range batch.Artefacts {
		if !slices.ContainsFunc(p.batch.Artefacts, func(b store.Artefact) bool {
			return b.Key == one.Key || bytes.Equal(b.Body, one.Body)
		}) {
			p.batch.Artefacts = append(p.batch.Artefacts, one)
		}
	}
	return nil
}

// rootCertificates returns the certificates of the roots that a command trusts.
func rootCertificates(simulated bool) ([][]byte, error) {
	roots := [][]byte{pccs.IntelRootCertificate()}
	if simulated {
		pki, err := simtee.NewPKI(simtee.Faults{})
		if err != nil {
			return nil, err
		}
		roots = append(roots, pki.RootCertificate())
	}
	return roots, nil
}

// inventory lists what a parcel holds.
func (p *pccsParcel) inventory() []clienttool.Item {
	switch {
	case p.collateral != nil:
		return p.collateral.Inventory()
	case p.batch != nil:
		return pccs.BatchInventory(*p.batch)
	default:
		return nil
	}
}

// standardNumber reads --evaluation-number: standard and highest stand for the
// usual rule.
func standardNumber(text string) (uint32, error) {
	n, err := parseEvaluationNumber(text)
	if err != nil {
		return 0, err
	}
	switch n {
	case "", "highest":
		return 0, nil
	}
	number, err := strconv.ParseUint(string(n), 10, 31)
	if err != nil || number == 0 {
		return 0, usagef("--evaluation-number: %q is neither a number nor highest", string(dcap.EvaluationNumber(text)))
	}
	return uint32(number), nil
}

// reportErr returns what lies behind err, unless it says only that parts of an import
// were refused, which the report lists.
func reportErr(report pccs.ImportReport, err error) error {
	var r *pccs.Refusal
	if errors.As(err, &r) && r.Status == pccs.StatusIntegrity && len(report.Refused) > 0 {
		return nil
	}
	return refusalReason(err)
}
