// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"slices"
)

// Migrate brings s to the schema with further migrations, as a later release would.
func Migrate(ctx context.Context, s *Store, more ...[]string) error {
	all := migrations()
	for _, statements := range more {
		all = append(all, statements)
	}
	return s.migrate(ctx, all)
}

// Schemas is how many migrations this release has.
func Schemas() int { return len(migrations()) }

// Tables are those of this release's schema.
func Tables() []string { return slices.Clone(tablesOf(migrations(), Schemas())) }

// OnWrite runs a statement on the connection that writes an SQLite file.
func OnWrite(ctx context.Context, s *Store, statement string) error {
	_, err := s.write.ExecContext(ctx, statement)
	return err
}
