// SPDX-License-Identifier: Apache-2.0

//go:build unix

package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/attesteer/attesteer/pccs/store"
)

func TestPostgreSQL(t *testing.T) {
	b := onPostgres(t)
	t.Run("Conforms", func(t *testing.T) { conform(t, b) })
	for name, test := range map[string]func(*testing.T, *bench){
		"ThatOnlyAnswersReadsIsServedFrom":             readOnlyPostgres,
		"ThatCannotBeReachedIsNamedWithoutItsPassword": unreachablePostgres,
		"WaitsForAnotherReplicaOnlySoLong":             postgresWithAHungReplica,
		"MayHoldTablesOfOthers":                        postgresWithTablesOfOthers,
	} {
		t.Run(name, func(t *testing.T) { test(t, b) })
	}
}

func readOnlyPostgres(t *testing.T, b *bench) {
	dsn := b.fresh(t)
	must(t, open(t, dsn).Write(t.Context(), store.Batch{Artefacts: []store.Artefact{artefact(tcbKey, 1, "body")}}))
	s := open(t, dsn+"&default_transaction_read_only=on")
	if _, err := s.Artefact(t.Context(), tcbKey); err != nil {
		t.Error(err)
	}
	err := s.Write(t.Context(), store.Batch{Artefacts: []store.Artefact{artefact(tcbKey, 2, "body")}})
	if err == nil || !strings.Contains(err.Error(), "only answers reads") {
		t.Errorf("a write to a server that only answers reads: %v", err)
	}
}

func postgresWithAHungReplica(t *testing.T, b *bench) {
	dsn := b.fresh(t)
	s := open(t, dsn+"&lock_timeout=100ms")
	tx, err := b.raw(t, dsn).BeginTx(t.Context(), nil)
	must(t, err)
	_, err = tx.ExecContext(t.Context(), `UPDATE pccs_meta SET generation = 100`)
	must(t, err)
	if err := s.Write(t.Context(), everything()); err == nil || !strings.Contains(err.Error(), "does not come to an end") {
		t.Errorf("a write while another replica hangs: %v", err)
	}
	must(t, tx.Rollback())
	must(t, s.Write(t.Context(), everything()))
}

func unreachablePostgres(t *testing.T, b *bench) {
	missing, err := url.Parse(b.fresh(t))
	must(t, err)
	missing.User = url.UserPassword("test", "s3cret")
	missing.Path = "/nobody"
	for dsn, want := range map[string]string{
		"postgres://test:s3cret@127.0.0.1:1/db?connect_timeout=5": "127.0.0.1:1/db",
		"postgres://test:s3cret@host:port/db":                     "not a DSN",
		"postgres://test:s3cret@%zz/":                             "not a DSN",
		missing.String():                                          "make the database first",
	} {
		_, err := store.Open(t.Context(), dsn)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %q and no password", dsn, err, want)
		}
		if busy := want == "127.0.0.1:1/db"; store.Busy(err) != busy {
			t.Errorf("%s: busy is %v", dsn, !busy)
		}
	}
	if place := open(t, b.fresh(t)).Place(); !strings.Contains(place, "/postgres") {
		t.Errorf("place is %q", place)
	}
}

// A store shares a database with tables of others and leaves them alone.
func postgresWithTablesOfOthers(t *testing.T, b *bench) {
	dsn := b.fresh(t)
	b.run(t, dsn, `CREATE TABLE accounts (id BIGINT)`)
	open(t, dsn)
	b.run(t, dsn, `INSERT INTO accounts VALUES (1)`)
}

// onPostgres starts a server of the test's own.
func onPostgres(t testing.TB) *bench {
	server := startPostgres(t)
	var count atomic.Int64
	return &bench{
		name: "postgresql",
		// A schema each, which is as good as a database and faster made.
		fresh: func(t testing.TB) string {
			name := fmt.Sprintf("store_%d", count.Add(1))
			if _, err := server.ExecContext(t.Context(), `CREATE SCHEMA `+name); err != nil {
				t.Fatal(err)
			}
			return server.dsn("postgres") + "&search_path=" + name
		},
		raw: func(t testing.TB, dsn string) *sql.DB { return opened(t, "pgx", dsn) },
	}
}

// postgres is a server on a socket in a folder.
type postgres struct {
	*sql.DB
	socket string
}

func (p *postgres) dsn(database string) string {
	return "postgres:///" + database + "?user=test&host=" + url.QueryEscape(p.socket)
}

// startPostgres starts a server and stops it when the test ends. Without the
// server's programs on the machine the test is skipped.
func startPostgres(t testing.TB) *postgres {
	t.Helper()
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(bins) == 0 {
		t.Skip("no PostgreSQL server below /usr/lib/postgresql: apt-get install postgresql")
	}
	bin := bins[len(bins)-1]
	dir, err := os.MkdirTemp("/tmp", "pg") // a socket's path is at most 107 bytes long
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	as := unprivileged(t, dir)
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(t.Context(), filepath.Join(bin, "initdb"), "-D", data, "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
	initdb.SysProcAttr, initdb.Dir = as, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	var log bytes.Buffer
	server := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off")
	server.SysProcAttr, server.Dir, server.Stdout, server.Stderr = as, dir, &log, &log
	must(t, server.Start())
	p := &postgres{socket: dir}
	p.DB, err = sql.Open("pgx", p.dsn("postgres"))
	must(t, err)
	t.Cleanup(func() {
		must(t, p.Close())
		must(t, server.Process.Signal(syscall.SIGINT))
		if err := server.Wait(); err != nil {
			t.Errorf("postgres: %v\n%s", err, log.String())
		}
	})
	for range 2400 {
		if err = p.PingContext(context.Background()); err == nil {
			return p
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("the server does not answer: %v", err)
	return nil
}

// unprivileged gives dir to the user postgres when the test runs as root, which
// the server refuses to do.
func unprivileged(t testing.TB, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Skip("root, and no user postgres to run the server as")
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
	if errUID != nil || errGID != nil {
		t.Fatal(errUID, errGID)
	}
	must(t, os.Chown(dir, int(uid), int(gid)))
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

func BenchmarkPostgreSQL(b *testing.B) { benchmarks(b, onPostgres(b)) }
