// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"time"

	"github.com/attesteer/attesteer"
	"github.com/attesteer/attesteer/client"
	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/endorse"
	"github.com/attesteer/attesteer/rats"
	"github.com/attesteer/attesteer/record"
)

// Ledger is a ledger by one of its nodes. All but Submit are calls of
// [client.Client], whose errors they have: a [*client.Refusal] is the node's
// answer, any other error says that there was none. It is safe for concurrent use.
type Ledger interface {
	Ledger(ctx context.Context) (*client.Ledger, error)
	Governance(ctx context.Context) (*client.Governance, error)
	Challenge(ctx context.Context) (*client.Challenge, error)
	Get(ctx context.Context, id string) (*record.View, error)
	PushEndorsements(ctx context.Context, items []rats.Endorsement) (*client.Pushed, error)
	Events(ctx context.Context, f client.Follow) iter.Seq2[*client.Event, error]
	// Submit has evidence recorded and returns once its block is committed. It may
	// be called again with the same evidence after an error that is no refusal.
	Submit(ctx context.Context, s client.Submission) (*client.Recorded, error)
}

// Node is a ledger's node with the name by which people know it.
type Node struct {
	Name string
	Ledger
}

// Endorser gives endorsements; an [endorse.Order] is one.
type Endorser interface {
	// Ask returns what an appraisal at a time needs, as far as it can be had.
	Ask(ctx context.Context, needs []attesteer.Need, at time.Time) *endorse.Answer
	// PCKCertificates returns those of a platform that evidence only names.
	PCKCertificates(ctx context.Context, platform dcap.PlatformName, at time.Time) ([]rats.Endorsement, error)
}

var _ Endorser = (*endorse.Order)(nil)

// elsewhere reports whether another node may have a better answer than an
// error: there was none, or it says something of this node or of what this node
// has at hand, and nothing of the evidence.
func elsewhere(err error) bool {
	var refused *client.Refusal
	var stop *final
	switch {
	case errors.As(err, &stop):
		return false
	case !errors.As(err, &refused):
		var e *rats.Error // what was found here
		return !errors.As(err, &e)
	case refused.Status >= http.StatusInternalServerError:
		return true
	}
	switch rats.KindOf(refused) {
	case rats.QuotaExceeded, rats.Unauthorized, rats.EndorsementUnavailable, rats.EndorsementExpired, rats.Internal:
		return true
	default:
		return refused.Status == http.StatusForbidden
	}
}

// retryAfter returns how long the nodes that answered ask to be left alone.
func retryAfter(err error) time.Duration {
	var refused *client.Refusal
	if errors.As(err, &refused) {
		return refused.RetryAfter
	}
	return 0
}

// stubborn reports whether an error is likely to last: what is wrong with the
// evidence or with the token is for people to cure.
func stubborn(err error) bool {
	switch rats.KindOf(err) {
	case rats.Internal, rats.QuotaExceeded, rats.EndorsementUnavailable, rats.EndorsementExpired, rats.Replayed:
		return false
	default:
		return true
	}
}

// final is an error after which a keeper does not go on.
type final struct{ error }

func (f *final) Unwrap() error { return f.error }
