// SPDX-License-Identifier: Apache-2.0

// Command release builds what is given to others: archives with a static
// binary, its manual pages, completions, service unit and licences, and the
// list of their hashes.
//
//	go run ./packaging/release -o dist
//	go run ./packaging/release -o dist -version v1.2.3 -target linux/arm64
//	go run ./packaging/release -image /image
//
// Whoever builds the same sources with the same version of Go gets the same
// bytes, on whatever machine, in whatever folder, at whatever time: nothing of
// these enters. Times are SOURCE_DATE_EPOCH, or that of the commit. It runs in
// the module's root.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "error:", err)
		stop()
		os.Exit(1)
	}
}

// plan is what is to be built.
type plan struct {
	version string
	epoch   time.Time
	targets []target
	// out takes archives, image the files of a container image; one is empty.
	out, image string
	log        io.Writer
}

// target is a system that a binary is built for.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "/" + t.arch }

// name begins the name of an archive, and is the folder in it.
func (p plan) name(t target) string { return "attesteer-" + p.version + "-" + t.os + "-" + t.arch }

func run(ctx context.Context, args []string, log io.Writer) error {
	p, err := read(ctx, args, log)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "attesteer-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // a folder for temporary files
	b := &builder{plan: p, scratch: scratch}
	if p.image != "" {
		return b.writeImage(ctx)
	}
	return b.writeArchives(ctx)
}

// read makes a plan of a command line.
func read(ctx context.Context, args []string, log io.Writer) (plan, error) {
	p := plan{log: log}
	fs := flag.NewFlagSet("release", flag.ContinueOnError)
	fs.SetOutput(log)
	fs.StringVar(&p.out, "o", "", "folder that archives and SHA256SUMS are written to")
	fs.StringVar(&p.image, "image", "", "new folder that the files of a container image are written to, instead")
	fs.StringVar(&p.version, "version", "", "version (default: git describe)")
	targets := fs.String("target", "linux/amd64,linux/arm64", "systems to build for")
	if err := fs.Parse(args); err != nil {
		return p, err
	}
	for _, name := range strings.Split(*targets, ",") {
		system, arch, ok := strings.Cut(name, "/")
		if !ok {
			return p, fmt.Errorf("-target %s: want a system and an architecture, such as linux/amd64", name)
		}
		p.targets = append(p.targets, target{system, arch})
	}
	switch {
	case fs.NArg() > 0 || (p.out == "") == (p.image == ""):
		return p, errors.New("usage: go run ./packaging/release (-o DIR | -image DIR) [-version V] [-target OS/ARCH,…]")
	case p.image != "" && len(p.targets) != 1:
		return p, errors.New("-image is for one -target")
	}
	if _, err := os.Stat(filepath.Join("cmd", "attesteer")); err != nil {
		return p, errors.New("run this in the module's root")
	}
	return p, p.settle(ctx)
}

// settle finds the version and the time of what is built, where they were not
// given.
func (p *plan) settle(ctx context.Context) (err error) {
	if p.version == "" {
		if p.version, err = output(ctx, nil, "git", "describe", "--tags", "--always", "--dirty"); err != nil {
			return fmt.Errorf("-version is missing, and there is no repository to ask: %w", err)
		}
	}
	// It becomes part of file names, of linker flags and of manual pages.
	if !regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+_-]*$`).MatchString(p.version) {
		return fmt.Errorf("-version %q: letters, digits and . + _ - only", p.version)
	}
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		if epoch, err = output(ctx, nil, "git", "log", "-1", "--format=%ct"); err != nil {
			return fmt.Errorf("SOURCE_DATE_EPOCH is missing, and there is no repository to ask: %w", err)
		}
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil || seconds < 0 {
		return fmt.Errorf("SOURCE_DATE_EPOCH %q: want seconds since 1970", epoch)
	}
	p.epoch = time.Unix(seconds, 0).UTC()
	return nil
}

// host is the system that this program runs on.
func host() target { return target{runtime.GOOS, runtime.GOARCH} }
