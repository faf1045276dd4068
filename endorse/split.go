// SPDX-License-Identifier: Apache-2.0

package endorse

import (
	"context"
	"strings"
	"time"

	"github.com/attesteer/attesteer/dcap"
	"github.com/attesteer/attesteer/rats"
)

// Split is a service whose PCK certificates come from others, as the
// configuration of Intel's client can have it.
type Split struct {
	*PCS
	// Certifiers are asked in their order, until one has a certificate.
	Certifiers []Certifier
}

// PCKCertificates implements [Certifier].
func (s *Split) PCKCertificates(
	ctx context.Context, platform dcap.PlatformName, at time.Time,
) ([]rats.Endorsement, error) {
	var said []string
	for _, c := range s.Certifiers {
		items, err := c.PCKCertificates(ctx, platform, at)
		if len(items) > 0 {
			return items, err
		}
		if err != nil {
			said = append(said, words(err))
		}
	}
	if len(said) == 0 {
		return nil, nil
	}
	return nil, rats.Errorf(rats.EndorsementUnavailable, "%s", strings.Join(said, "; "))
}

// Ups notes of each service by its host whether it counts as up.
func (s *Split) Ups(up map[string]bool) {
	s.PCS.Ups(up)
	for _, c := range s.Certifiers {
		if service, ok := c.(interface{ Ups(up map[string]bool) }); ok {
			service.Ups(up)
		}
	}
}

// Close closes each.
func (s *Split) Close() {
	s.PCS.Close()
	for _, c := range s.Certifiers {
		if service, ok := c.(interface{ Close() }); ok {
			service.Close()
		}
	}
}
