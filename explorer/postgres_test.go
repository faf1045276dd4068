// SPDX-License-Identifier: Apache-2.0

//go:build unix

package explorer_test

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/attesteer/attesteer/explorer"
	"github.com/attesteer/attesteer/record"
)

func TestPostgreSQLConforms(t *testing.T) {
	server := startPostgres(t)
	conform(t, func(t *testing.T, name string, src explorer.EventSource) *explorer.Index {
		return openShared(t, server.database(t, name), src)
	})
}

func TestTwoNodesShareOneDatabase(t *testing.T) {
	db := startPostgres(t).database(t, "shared")
	l := newLedger()
	for n := range uint64(10) {
		l.put(record.Recorded, enclave(n))
	}
	openShared(t, db, l)
	// The slower node has seen less of the same past.
	slow := newLedger()
	for _, e := range l.events[:4] {
		slow.put(e.Kind, e.Record)
	}
	y := openShared(t, db, slow)
	sameRecords(t, list(t, y, record.Filter{}), l.newest())
	for _, e := range l.events[4:] {
		slow.put(e.Kind, e.Record)
	}
	slow.put(record.Recorded, enclave(50))
	sameRecords(t, list(t, y, record.Filter{}), slow.newest())
}

func openShared(t *testing.T, db *sql.DB, src explorer.EventSource) *explorer.Index {
	t.Helper()
	x, err := explorer.OpenIndex(t.Context(), explorer.IndexConfig{DB: db}, src)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
		if err := db.PingContext(context.Background()); err != nil {
			t.Error("the caller's database was closed:", err)
		}
	})
	return x
}

// postgres is a server of the test's own, on a socket in a folder.
type postgres struct {
	socket string
	open   map[string]*sql.DB
}

// database returns the database of a name, made on first use.
func (p *postgres) database(t *testing.T, name string) *sql.DB {
	t.Helper()
	if db, ok := p.open[name]; ok {
		return db
	}
	if _, err := p.open["postgres"].ExecContext(t.Context(), `CREATE DATABASE "`+name+`"`); err != nil {
		t.Fatal(err)
	}
	p.open[name] = p.connect(t, name)
	return p.open[name]
}

func (p *postgres) connect(t *testing.T, name string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", "host="+p.socket+" user=test dbname="+name)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// startPostgres starts a server and stops it when the test ends. Without the
// server's programs on the machine the test is skipped.
func startPostgres(t *testing.T) *postgres {
	t.Helper()
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(bins) == 0 {
		t.Skip("no PostgreSQL server below /usr/lib/postgresql: apt-get install postgresql")
	}
	bin := bins[len(bins)-1]
	dir, err := os.MkdirTemp("/tmp", "pg") // a socket's path is at most 107 bytes long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
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
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	p := &postgres{socket: dir, open: map[string]*sql.DB{}}
	t.Cleanup(func() {
		for _, db := range p.open {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := server.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
		if err := server.Wait(); err != nil {
			t.Errorf("postgres: %v\n%s", err, log.String())
		}
	})
	p.open["postgres"] = p.connect(t, "postgres")
	for range 2400 {
		if err = p.open["postgres"].PingContext(t.Context()); err == nil {
			return p
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("the server does not answer: %v", err)
	return nil
}

// unprivileged gives dir to the user postgres when the test runs as root, which
// the server refuses to do.
func unprivileged(t *testing.T, dir string) *syscall.SysProcAttr {
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
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}
