// SPDX-License-Identifier: Apache-2.0

package ledger

import "github.com/attesteer/attesteer/rats"

// watchConsensus has the node fail once its consensus has ended by itself. After
// a panic of its own, such as on a full disk, CometBFT ends that one part and
// goes on with all others, as if blocks could still come.
func (n *Node) watchConsensus() {
	consensus, ok := n.engine.views.ConsensusState.(interface{ Wait() })
	if !ok {
		return // the tests would show it
	}
	consensus.Wait()
	if !n.engine.quiet.Load() { // nobody stops the node
		n.fail(rats.Errorf(rats.Internal, "consensus has ended; the log says why"))
	}
}
