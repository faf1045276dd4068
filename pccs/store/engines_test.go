// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/attesteer/attesteer/pccs/store"
)

// bench is a place for stores on one engine.
type bench struct {
	name string
	// fresh returns the DSN of a database of a test's own, empty.
	fresh func(t testing.TB) string
	// raw opens the database behind the store's back.
	raw func(t testing.TB, dsn string) *sql.DB
}

func onSQLite() *bench {
	return &bench{
		name:  "sqlite",
		fresh: func(t testing.TB) string { return filepath.Join(t.TempDir(), "pccs.db") },
		raw: func(t testing.TB, dsn string) *sql.DB {
			return opened(t, "sqlite", "file:"+dsn+"?_pragma=busy_timeout(10000)")
		},
	}
}

func opened(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dsn string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), dsn)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// run runs a statement behind the store's back.
func (b *bench) run(t testing.TB, dsn, statement string, args ...any) {
	t.Helper()
	if _, err := b.raw(t, dsn).ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// The suite that both engines must pass.
func suite() map[string]func(*testing.T, *bench) {
	return map[string]func(*testing.T, *bench){
		"EverythingWrittenIsReadBack":                   everythingWrittenIsReadBack,
		"WhatIsNotThereIsNotFound":                      whatIsNotThereIsNotFound,
		"NamesAreFoundInEveryCase":                      namesAreFoundInEveryCase,
		"OlderNeverReplacesNewer":                       olderNeverReplacesNewer,
		"EqualDatesAreDecidedByDigest":                  equalDatesAreDecidedByDigest,
		"TheOrderOfWritesDoesNotMatter":                 theOrderOfWritesDoesNotMatter,
		"ABatchIsWrittenWholeOrNotAtAll":                aBatchIsWrittenWholeOrNotAtAll,
		"WhatCannotBeKeptIsRefused":                     whatCannotBeKeptIsRefused,
		"CertificatesOfAPlatformAreReplacedWhole":       certificatesOfAPlatformAreReplacedWhole,
		"OnePolicyOfAnFMSPCIsTheDefault":                onePolicyOfAnFMSPCIsTheDefault,
		"GenerationMovesWithWhatIsServedAndNothingElse": generationMovesWithWhatIsServed,
		"ReadingTheQueueLosesNothing":                   readingTheQueueLosesNothing,
		"AcknowledgingSwallowsNothingThatCameLater":     acknowledgingSwallowsNothingLater,
		"TheQueueIsTakenOnce":                           theQueueIsTakenOnce,
		"TheLogIsReadInPages":                           theLogIsReadInPages,
		"EveryChangeOfTheLogIsNoticed":                  everyChangeOfTheLogIsNoticed,
		"ALogWrittenAnewIsNoticedByItsHead":             aLogWrittenAnewIsNoticed,
		"AnEditedBodyIsNotServed":                       anEditedBodyIsNotServed,
		"ManyWriteAndReadAtOnce":                        manyWriteAndReadAtOnce,
		"ReadersDoNotWaitForAWriter":                    readersDoNotWait,
		"ManyOpenAnEmptyDatabaseAtOnce":                 manyOpenAtOnce,
		"SeveralProcessesShareADatabase":                severalProcessesShare,
		"AKilledProcessLosesNothingAcknowledged":        aKilledProcessLosesNothing,
		"AnOlderSchemaIsBroughtUpToDate":                anOlderSchemaIsBroughtUpToDate,
		"DatabasesOfOthersAreRefusedAndLeftAsTheyAre":   foreignDatabasesAreRefused,
		"ACancelledWriteWritesNothing":                  aCancelledWriteWritesNothing,
	}
}

func conform(t *testing.T, b *bench) {
	for name, test := range suite() {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting for a disk
			test(t, b)
		})
	}
}

func TestSQLiteConforms(t *testing.T) { conform(t, onSQLite()) }

// writerEnv makes the test's program write to the store that it names, until it
// is killed or done: see writer.
const writerEnv = "ATTESTEER_TEST_STORE_WRITER"

func TestMain(m *testing.M) {
	if dsn := os.Getenv(writerEnv); dsn != "" {
		if err := writer(dsn); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}
