// SPDX-License-Identifier: Apache-2.0

package client

import (
	"errors"
	"fmt"
	"net/url"
)

// bare returns an address as errors name it: without a user, a password, a query
// or a fragment, which may be secrets, and errors go to logs.
func bare(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(no URL)"
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	return u.String()
}

// fault says of which node an error is. That of a call which found no answer stays
// a [*url.Error].
func (c *Client) fault(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		failed.URL = bare(failed.URL) // it was made for this call
	}
	return fmt.Errorf("node %s: %w", bare(c.node), err)
}
