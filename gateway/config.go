// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/ear"
	"github.com/attesteer/attesteer/maa"
	"github.com/attesteer/attesteer/proof"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/registry"
	"github.com/attesteer/attesteer/token"
)

// Ledger decides about transactions. It is safe for concurrent use.
type Ledger interface {
	// Submit returns once a transaction is committed and durable, or refused:
	// what the rules refuse is in the result, and an error says that there is
	// no result.
	Submit(ctx context.Context, tx []byte) (registry.TxResult, error)
	// Prove returns a proof of a record or of its absence.
	Prove(ctx context.Context, r ProofRequest) (*proof.Bundle, error)
	// Status returns where the ledger stands.
	Status(ctx context.Context) (Status, error)
}

// ProofRequest says what is to be proven.
type ProofRequest struct {
	ID record.ID
	// Height is that of the state, [rats.NotFound] where it cannot be proven any
	// more or yet; 0 is the newest.
	Height uint64
	// Events is how many of the record's newest events go with it.
	Events int
	// Since leaves out the changes of validators before a height; 0 has them all.
	Since uint64
}

// maxProofEvents bounds them, so that a bundle stays one.
const maxProofEvents = 256

// Status is where the ledger stands.
type Status struct {
	ChainID string
	// GenesisHash names the chain; see [client.Shard].
	GenesisHash [32]byte
	Height      uint64
	AppHash     [32]byte
	// Time is the ledger's own.
	Time record.Millis
	// Block is the newest, at BlockHeight; zero before there is one.
	BlockHeight uint64
	Block       [32]byte
	// Peers counts the nodes that this one is connected to.
	Peers      int
	Validators []Validator
	// CatchingUp: the node does not take part yet.
	CatchingUp bool
}

// Validator is one voice in the making of blocks.
type Validator struct {
	Address   [20]byte
	PublicKey [32]byte
	Power     int64
}

// Registry answers from the ledger's committed state. It is safe for
// concurrent use.
type Registry interface {
	EventLog
	// Record fails with [rats.NotFound].
	Record(id record.ID) (record.Record, error)
	// History returns a record's events, oldest first.
	History(id record.ID) ([]record.Event, error)
	// Evidence returns evidence by its SHA-256.
	Evidence(sha [32]byte) ([]byte, error)
	// Endorsement returns an endorsement by the SHA-256 of its body.
	Endorsement(sha [32]byte) (rats.Endorsement, error)
	// Endorsements lists those in state, sorted by key.
	Endorsements() []record.EndorsementEntry
	// Needs names the endorsements that evidence needs, of whichever ledger.
	Needs(evidence []byte) ([]attesteer.Need, error)
	// LacksAt returns those of items that would change state in a block that
	// this node proposed now, by its own clock.
	LacksAt(now record.Millis, items []rats.Endorsement) []rats.Endorsement
	// Challenge returns the newest block that evidence may be bound to.
	Challenge() (hash [32]byte, height uint64, at record.Millis, ok bool)
	// Misbehaviour returns what validators did that is on record.
	Misbehaviour() (record.Offences, error)
	// Planned returns the version of the state machine that the validators decided
	// on and that has not begun, or nil; known says whether this program knows it.
	Planned() (next *record.Activation, known bool)
	// Time is ledger time as of the last block.
	Time() record.Millis
	Genesis() registry.Genesis
	ChainID() string
}

// Chain is what light clients and witnesses read of a ledger. It is safe for
// concurrent use.
type Chain interface {
	// Block returns a decided block without what it holds, or [rats.NotFound].
	Block(height uint64) (*proof.Block, error)
	// Log returns size and root of the log of events.
	Log() (size uint64, root [32]byte)
	// Consistency proves that the log grew from one size to another.
	Consistency(from, to uint64) ([][]byte, error)
}

// Index answers listings.
type Index interface {
	// List returns the records that match, newest first; a filter that cannot
	// be read is [rats.Malformed].
	List(ctx context.Context, filter record.Filter) (record.Page, error)
}

// Transactions finds what transactions did. It is safe for concurrent use.
type Transactions interface {
	// Transaction returns the event that a transaction made, or [rats.NotFound].
	Transaction(ctx context.Context, tx record.TxHash) (record.Event, error)
}

// Source is where endorsements come from that the ledger lacks.
type Source interface {
	// Endorsements returns what the source holds for needs at a time.
	Endorsements(ctx context.Context, needs []attesteer.Need, at time.Time) ([]rats.Endorsement, error)
}

// Tokens knows who calls. It is safe for concurrent use; [token.Store] is one.
type Tokens interface {
	// Verify returns the token that text is, in time that does not tell how near
	// it came: [rats.Unauthorized] if it is not good, and [token.ErrUnknown] if
	// it is none.
	Verify(text string, at time.Time) (token.Entry, error)
	// Use counts a call of a token that was good when its connection began:
	// a [*token.QuotaError], or [rats.Unauthorized] if it ended since.
	Use(id string, scope token.Scope, at time.Time) error
	// Check says whether a token that was good when its connection began still
	// is, and counts nothing: [rats.Unauthorized] if it ended since.
	Check(id string, at time.Time) error
	// Key returns the private key of a token's registrar, by its public one in hex.
	Key(registrar string) (ed25519.PrivateKey, error)
}

// TokenAdmin changes who may call.
type TokenAdmin interface {
	Create(r token.Request, at time.Time) (token.Made, error)
	// Revoke fails with [rats.NotFound].
	Revoke(id string, at time.Time) (token.View, error)
	List(at time.Time) ([]token.View, error)
}

// Config says what a gateway stands on. Fields that may be empty say so.
type Config struct {
	Ledger   Ledger
	Registry Registry
	Index    Index
	// Source may be nil: then only what the ledger holds, and what is pushed, counts.
	Source Source
	// Vendor is a service in the network, asked only for genuine evidence for which
	// ledger and Source have not enough; nil is none. What it gives counts beside
	// an error that names what it does not.
	Vendor Source
	// Chain serves light clients and witnesses; nil serves none.
	Chain Chain
	// Governance lets validators decide about the ledger; nil does not.
	Governance Governance
	// CheckpointKey signs checkpoints of the log of events; nil signs none.
	CheckpointKey ed25519.PrivateKey
	// Key is the registrar's, in whose name transactions are signed.
	Key ed25519.PrivateKey
	// Network is dev, test or main. On dev, JSON-RPC needs no token, since the
	// original's clients send none.
	Network string
	Tokens  Tokens
	// Pool, ShieldingKey and PublicURL are what the compatible author_* methods
	// stand on; those that lack theirs answer that they are unsupported.
	Pool Pool
	// Transactions answers for receipts that nobody else remembers; nil is none.
	Transactions Transactions
	// Receipts is the file that keeps the receipts of what waits for a block, and
	// takes a Pool and Transactions; without it they end with the process.
	Receipts string
	// Answers is the file that keeps the answers to calls with an Idempotency-Key;
	// without it they end with the process.
	Answers string
	// ShieldingKey is the one to which callers encrypt, of [client.ShieldingBits].
	ShieldingKey *rsa.PrivateKey
	// PublicURL is where the node can be reached from outside.
	PublicURL string
	// TokenAdmin serves the calls that make and revoke tokens; nil serves none.
	TokenAdmin TokenAdmin
	// EAR holds the keys of signed results; nil signs none.
	EAR *ear.Ring
	// EARLifetime is how long a signed result counts, at most [ear.MaxLifetime];
	// zero is [ear.DefaultLifetime].
	EARLifetime time.Duration
	// MAA signs tokens in the shape of Microsoft Azure Attestation; nil signs none.
	MAA *maa.Signer
	// ReadsNeedToken: nobody reads, or publishes endorsements, without a token.
	ReadsNeedToken bool
	// Now is the clock of transactions' deadlines; nil is the system's.
	Now func() time.Time
	// Logger may be nil. Neither evidence nor tokens are logged.
	Logger *slog.Logger
	// Meter counts what the gateway does; nil counts nothing.
	Meter Meter
	// Watch says what is the matter with the node that the gateway does not see
	// by itself, for /readyz; nil is nothing.
	Watch func(context.Context) []Condition
	// ReadyNeedsEndorsements: endorsements that ended, and that nobody renewed, have
	// /readyz send callers elsewhere, where else it only names them.
	ReadyNeedsEndorsements bool
	// Version is what the API says it is.
	Version string
	// Pages serves every path that is not the API's; nil serves none.
	Pages http.Handler
	// MaxBody bounds what a caller may send, in bytes; zero is 1 MiB.
	MaxBody int64
	// Rate bounds what callers without a token may ask for; its zero value sets
	// no bound on dev, and [DefaultRate] elsewhere.
	Rate Rate
	// Origins are the sites whose pages may call from a browser.
	Origins Origins
	// Streams bounds the event streams that are open at once.
	Streams Streams
}

// maxBody is the usual bound of a body: the largest transaction, in base64,
// several times over.
const maxBody = 1 << 20

// complete checks cfg and fills in what was left empty.
func (cfg Config) complete() (Config, error) {
	switch {
	case cfg.Ledger == nil || cfg.Registry == nil || cfg.Index == nil || cfg.Tokens == nil:
		return cfg, errors.New("gateway: ledger, registry, index and tokens are required")
	case len(cfg.Key) != ed25519.PrivateKeySize:
		return cfg, errors.New("gateway: the registrar's key is required")
	case cfg.Receipts != "" && (cfg.Pool == nil || cfg.Transactions == nil):
		return cfg, errors.New("gateway: a file of receipts takes a pool and transactions")
	case cfg.EARLifetime != 0 && (cfg.EARLifetime < time.Second || cfg.EARLifetime > ear.MaxLifetime):
		return cfg, errors.New("gateway: the lifetime of signed results is out of bounds")
	}
	switch cfg.Network {
	case networkDev, "test", "main":
	default:
		return cfg, errors.New("gateway: network is neither dev, test nor main")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = maxBody
	}
	if cfg.Rate == (Rate{}) && cfg.Network != networkDev {
		cfg.Rate = DefaultRate()
	}
	if cfg.Pages == nil {
		cfg.Pages = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			writeProblem(w, problemOf(rats.Errorf(rats.NotFound, "nothing is served at %s", r.URL.Path)))
		})
	}
	return cfg, nil
}

// networkDev is the network on which any word is a token.
const networkDev = "dev"
