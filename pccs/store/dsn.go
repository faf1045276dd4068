// SPDX-License-Identifier: Apache-2.0

package store

import (
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// IsPostgreSQL reports whether dsn names a PostgreSQL database: it begins with
// postgres:// or postgresql://. Everything else is for SQLite.
func IsPostgreSQL(dsn string) bool {
	scheme, _, found := strings.Cut(dsn, "://")
	scheme = strings.ToLower(scheme)
	return found && (scheme == "postgres" || scheme == "postgresql")
}

// scheme matches the beginning of a URL. One letter is a drive.
var scheme = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]+):`)

// SQLitePath returns the absolute path of the file that dsn names: a path, or a
// URL file:path without parameters. It reports Malformed and Unsupported.
func SQLitePath(dsn string) (string, error) {
	path := dsn
	if m := scheme.FindStringSubmatch(dsn); m != nil {
		u, err := url.Parse(dsn)
		switch {
		case !strings.EqualFold(m[1], "file"):
			return "", rats.Errorf(rats.Unsupported, "store: no database of kind %q: give a file, or postgres://…", m[1])
		case err != nil || u.Host != "" && u.Host != "localhost" || u.RawQuery != "" || u.Fragment != "":
			return "", rats.Errorf(rats.Malformed, "store: a file: URL holds a path and nothing else")
		case u.Opaque != "":
			if path, err = url.PathUnescape(u.Opaque); err != nil {
				return "", rats.Errorf(rats.Malformed, "store: a file: URL with a bad escape")
			}
		default:
			path = u.Path
		}
	}
	if path == "" || strings.HasPrefix(path, ":memory:") || strings.ContainsRune(path, 0) {
		return "", rats.Errorf(rats.Malformed, "store: %q names no file", dsn)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", rats.Errorf(rats.Internal, "store: %w", err)
	}
	return abs, nil
}
