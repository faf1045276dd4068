// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// shell runs a script in bash and returns what it prints.
func shell(t *testing.T, dir, script string, env ...string) string {
	t.Helper()
	for _, tool := range []string{"bash", "curl", "xxd", "jq", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s", tool)
		}
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, errs.String())
	}
	return string(out)
}

// methodList is what the original's documentation shows.
const methodList = "methods: [attesteer_forwardDcapQuote, attesteer_forwardIasAttestationReport, author_getShieldingKey, " +
	"author_getUntrustedUrl, author_pendingExtrinsics, author_pendingTrustedCallsFor, author_submitAndWatchExtrinsic, " +
	"author_submitExtrinsic, system_health, system_name, system_version]"

// sessionQuote writes the quote of a simulated enclave to a file.
func sessionQuote(t *testing.T, path string, number uint64) []byte {
	t.Helper()
	var e simtee.Enclave
	e.MREnclave = sha256.Sum256([]byte("session"))
	binary.BigEndian.PutUint64(e.ReportData[:], number)
	q, err := e.Quote()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, q, 0o600); err != nil {
		t.Fatal(err)
	}
	return q
}

// TestTheDocumentedSessionOfTheOriginalWorks runs its lines in bash as they
// stand, but for the host: "HOST" is where the original's is.
func TestTheDocumentedSessionOfTheOriginalWorks(t *testing.T) {
	p := startNode(t, t.TempDir(), "--network", "dev", "--tls-self-signed")
	dir := t.TempDir()
	quote := sessionQuote(t, filepath.Join(dir, "quote.dat"), 1)
	host := strings.TrimPrefix(p.url, "https://")
	run := func(script string) string { return shell(t, dir, strings.ReplaceAll(script, "HOST", host)) }

	run("xxd -plain quote.dat | tr -d '[[:blank:][:space:]]' > quote_single_line.hex\n")
	got := run(`echo '{"jsonrpc":"2.0","method":"rpc_methods","params":[],"id":1}' > request.json 
echo "$(cat request.json | tr -d '\n' )" | websocat wss://HOST --insecure
`)
	if want := `{"jsonrpc":"2.0","id":1,"result":"` + methodList + `"}`; strings.TrimSpace(got) != want {
		t.Errorf("%s\nwant %s", got, want)
	}

	got = run(`cat > request.json <<EOF
{
    "jsonrpc":"2.0",
    "method":"attesteer_forwardDcapQuote",
    "params":[
        "$(cat quote_single_line.hex)",
        "myenclave.com"
    ],
    "id": 1
}
EOF
echo "$(cat request.json | tr -d '\n' )" | websocat wss://HOST --insecure
`)
	answer := decode[struct{ Result string }](t, []byte(got))
	v, err := client.DecodeReturnValue(answer.Result)
	if err != nil || v.Status != client.StatusOK {
		t.Fatalf("%s: %v", got, err)
	}
	out := run(`curl --insecure -s https://HOST/v1/enclaves`)
	if !strings.Contains(out, hex.EncodeToString(quote[48+64:48+96])) || !strings.Contains(out, `"url":"myenclave.com"`) {
		t.Errorf("no record: %s", out)
	}

	t.Run("and its REST gateway's", func(t *testing.T) {
		got := run(`curl --insecure -s -X GET "https://HOST/v1/attesteer/get_methods" -H "Authorization: Bearer anything"`)
		want := `{"data":"{\"jsonrpc\":\"2.0\",\"result\":\"` + methodList + `\",\"id\":1}","error_code":0,"error_message":"null"}`
		if got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		for i, line := range []string{
			`curl --insecure -s -X POST "https://HOST/v1/attesteer/forward_dcap_quote" -H "Authorization: Bearer anything" -H "Content-Type: application/json" -d "{\"quote\":\"$(cat quote_single_line.hex)\",\"url\":\"yourdomain.com\"}"`,
			`curl --insecure -s 'https://HOST/v1/attesteer/forward_dcap_quote' --header 'Authorization: Bearer anything' --data '{"quote":"'"$(cat quote_single_line.hex)"'"}'`,
		} {
			sessionQuote(t, filepath.Join(dir, "quote.dat"), uint64(10+i))
			run("xxd -plain quote.dat | tr -d '[[:blank:][:space:]]' > quote_single_line.hex\n")
			type envelope struct {
				Data    string `json:"data"`
				Code    int    `json:"error_code"`
				Message string `json:"error_message"`
			}
			got := decode[envelope](t, []byte(run(line)))
			inner := decode[struct{ Result string }](t, []byte(got.Data))
			if got.Code != 0 || got.Message != "null" || !strings.HasPrefix(inner.Result, "0x") {
				t.Errorf("%s: %+v", line, got)
			}
		}
	})
	t.Run("and the URL is the node's own", func(t *testing.T) {
		got := run(`echo '{"jsonrpc":"2.0","method":"author_getUntrustedUrl","id":1}' | websocat --insecure wss://HOST`)
		v, err := client.DecodeReturnValue(decode[struct{ Result string }](t, []byte(got)).Result)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := v.Text(); err != nil || text != "wss://"+host {
			t.Errorf("%s, %v", text, err)
		}
	})
}

// block returns the n-th block of code in a language that a document shows,
// counted from 1.
func block(t *testing.T, document, language string, n int) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", document))
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(b), "\n```"+language+"\n")
	if len(parts) <= n {
		t.Fatalf("%s has no block %d of %s", document, n, language)
	}
	code, _, _ := strings.Cut(parts[n], "\n```")
	return code
}

// TestTheDocumentedShieldedTransactionWorks runs what docs/compatible.md tells a
// user of a shell, on a transaction of any registrar's.
func TestTheDocumentedShieldedTransactionWorks(t *testing.T) {
	p := startNode(t, t.TempDir(), "--network", "dev", "--tls-self-signed")
	dir := t.TempDir()
	// A .curlrc stands for a certificate that is known.
	env := []string{"node=" + p.url, "socket=wss" + strings.TrimPrefix(p.url, "https"), "CURL_HOME=" + dir}
	if err := os.WriteFile(filepath.Join(dir, ".curlrc"), []byte("insecure\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sessionQuote(t, filepath.Join(dir, "quote.dat"), 1)
	// Endorsements come with the first quote.
	first := shell(t, dir, `curl -s -H 'Authorization: Bearer dev' "$node/v1/evidence" -d '{"evidence":"'"$(base64 -w0 quote.dat)"'"}' | jq -r .record.state`, env...)
	if strings.TrimSpace(first) != "active" {
		t.Fatalf("the first quote: %s", first)
	}
	ledger := decode[client.Ledger](t, []byte(shell(t, dir, `curl -s "$node/v1/ledger"`, env...)))
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(n uint64) [32]byte {
		tx := record.Transaction{
			Version: record.TransactionVersion, ChainID: ledger.ChainID, NotAfter: record.MillisOf(time.Now().Add(patience)),
			Submission: &record.Submission{Evidence: sessionQuote(t, filepath.Join(dir, "quote.dat"), n), URL: "my.enclave.example"},
		}
		if _, err := rand.Read(tx.Nonce[:]); err != nil {
			t.Fatal(err)
		}
		b, err := record.Sign(key, tx)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "tx.bin"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		return sha256.Sum256(b)
	}
	shield, submit, watch := block(t, "compatible.md", "bash", 2), block(t, "compatible.md", "bash", 3), block(t, "compatible.md", "bash", 4)
	hash := sign(2)
	if got, want := strings.TrimSpace(shell(t, dir, shield+"\n"+submit, env...)), fmt.Sprintf("0x80%x000100", hash); got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	hash = sign(3)
	lines := strings.Split(strings.TrimSpace(shell(t, dir, shield+"\n"+watch, env...)), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], fmt.Sprintf(`"result":"0x%x"`, hash)) ||
		!strings.Contains(lines[1], `010102`) || !strings.Contains(lines[2], `000104`) {
		t.Errorf("%s", lines)
	}
}

// websocat stands in for the program of that name: lines of standard input are
// sent as text, and when they end a Close frame is; what comes is printed until
// the other side has closed too. It takes a wss URL and --insecure.
func websocat() {
	if err := converse(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "websocat:", err)
		os.Exit(1)
	}
}

func converse(args []string, in io.Reader, out io.Writer) error {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if at := slices.Index(args, "--insecure"); at >= 0 {
		config.InsecureSkipVerify = true
		args = slices.Delete(slices.Clone(args), at, at+1)
	}
	if len(args) != 1 {
		return fmt.Errorf("arguments %q", args)
	}
	u, err := url.Parse(args[0])
	if err != nil || u.Scheme != "wss" {
		return fmt.Errorf("no wss URL: %s", args[0])
	}
	conn, err := tls.Dial("tcp", u.Host, config)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // the conversation is over
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", strings.TrimPrefix(u.Path, "/"), u.Host); err != nil {
		return err
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("no upgrade: %s", resp.Status)
	}
	sent := make(chan error, 1)
	go func() { sent <- speakTo(conn, in) }()
	if err := listenTo(r, out); err != nil {
		return err
	}
	return <-sent
}

// speakTo sends lines, and in the end a Close frame.
func speakTo(conn io.Writer, in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			if _, err := conn.Write(masked(0x81, line)); err != nil {
				return err
			}
		}
		if err != nil {
			_, err = conn.Write(masked(0x88, ""))
			return err
		}
	}
}

// masked returns a client's frame (RFC 6455 section 5.2).
func masked(first byte, payload string) []byte {
	b := binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, uint64(len(payload)))
	if len(payload) < 126 {
		b = []byte{first, 0x80 | byte(len(payload))}
	}
	key := [4]byte{0x12, 0x34, 0x56, 0x78}
	b = append(b, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

// listenTo prints what comes as text, until the other side closes.
func listenTo(r *bufio.Reader, out io.Writer) error {
	for {
		var head [2]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		n := uint64(head[1])
		if n > 125 {
			long := make([]byte, map[uint64]int{126: 2, 127: 8}[n])
			if _, err := io.ReadFull(r, long); err != nil {
				return err
			}
			n = binary.BigEndian.Uint64(append(make([]byte, 8-len(long)), long...))
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(r, payload); err != nil {
			return err
		}
		switch head[0] {
		case 0x88:
			return nil
		case 0x81:
			if _, err := fmt.Fprintf(out, "%s\n", payload); err != nil {
				return err
			}
		}
	}
}
