// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestHowLongACallTookIsLoggedWithItsUnit(t *testing.T) {
	for _, format := range []string{"text", logJSON} {
		var b bytes.Buffer
		log, err := (&logFlags{format: format, level: "info"}).logger(&b)
		if err != nil {
			t.Fatal(err)
		}
		log.LogAttrs(context.Background(), slog.LevelInfo, "request", slog.Duration("took", 283422*time.Nanosecond))
		if !strings.Contains(b.String(), "283.422µs") {
			t.Errorf("%s: %s", format, b.String())
		}
	}
}

func TestAnAddressThatIsNoneIsAUsageError(t *testing.T) {
	for _, address := range []string{"nonsense", "127.0.0.1", "a:b:c"} {
		if code, _, errs := command(t, "serve", "--home", t.TempDir(), "--listen", address); code != exitUsage || !strings.Contains(errs, "HOST:PORT") {
			t.Errorf("%s: exit %d\n%s", address, code, errs)
		}
	}
}
