// SPDX-License-Identifier: Apache-2.0

package attesteer

import "github.com/attesteer/attesteer/rats"

// Hex is bytes that JSON shows in lower-case hex.
type Hex = rats.Hex
