// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/attesteer/attesteer/ledger"
	"github.com/attesteer/attesteer/record"
	"github.com/attesteer/attesteer/simtee"
)

// defaultPower is the power of a validator of whom nobody says more.
const defaultPower = 10

type ledgerInitFlags struct {
	home       string
	network    string
	chainID    string
	clock      string
	keys       bool
	power      int64
	lines      []string
	registrars []string
	validators int
	output     string
	basePort   uint16
	peering    peeringFlags
}

// foundedHome is a node of a network that was made.
type foundedHome struct {
	Home   string `json:"home"`
	NodeID string `json:"node_id"`
	P2P    string `json:"p2p"`
	// Listen is a free address for the API where several nodes share a machine.
	Listen    string `json:"listen,omitempty"`
	Validator string `json:"validator"`
}

// founded is what init and join print.
type founded struct {
	ChainID       string        `json:"chain_id,omitempty"`
	Network       string        `json:"network,omitempty"`
	Genesis       string        `json:"genesis,omitempty"`
	GenesisSHA256 string        `json:"genesis_sha256,omitempty"`
	Homes         []foundedHome `json:"homes"`
}

func (a *app) ledgerInitCommand() *cobra.Command {
	var f ledgerInitFlags
	cmd := &cobra.Command{
		Use: "init", Short: "Make the home of a validator, or a whole network",
		Long: `init makes a home and the genesis of a new chain. Without more it has one
validator, this one.

For a network of several operators each runs init --keys on their own machine and
publishes the line that it prints, which holds no secret. One of them then runs
init with every --validator LINE, which adds the genesis to their home; the others
get that file and run "attesteer ledger join". Secret keys never leave the machine
on which they were made.

With --validators N it makes N homes below --output, of a network that runs on
this machine alone.`,
		Example: `  attesteer ledger init --validators 4 --output net --base-port 2700
  attesteer ledger init --home node --network main --p2p-listen 0.0.0.0:26656 --p2p-external a.example:26656 --keys
  attesteer ledger init --home node --network main --validator LINE --validator LINE --validator LINE --validator LINE`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.ledgerInit(f, cmd.Flags()) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.home, "home", a.defaultHome(), "folder for keys, genesis and data")
	fl.StringVar(&f.network, "network", "dev", "dev, test or main")
	fl.StringVar(&f.chainID, "chain-id", "", "name of the new chain (default: the network's name and a random part)")
	fl.StringVar(&f.clock, "clock", "", "on a new dev network: ledger time to start at, RFC 3339")
	fl.BoolVar(&f.keys, "keys", false, "make keys alone, and print the line by which others make this node a validator")
	fl.Int64Var(&f.power, "power", defaultPower, "how much this validator's vote counts")
	fl.StringArrayVar(&f.lines, "validator", nil, "line of a validator, as init --keys printed it (repeatable)")
	fl.StringSliceVar(&f.registrars, "registrar", nil, "public key in hex of a registrar to admit beside those of the validators (repeatable)")
	fl.IntVar(&f.validators, "validators", 0, "make this many homes on this machine, below --output")
	fl.StringVar(&f.output, "output", "", "folder for the homes of --validators")
	fl.Uint16Var(&f.basePort, "base-port", 2700, "first of the two ports for each of --validators: peers, then API")
	f.peering.register(fl, defaultP2P)
	return cmd
}

func (f ledgerInitFlags) check() error {
	several := f.validators != 0 || f.output != ""
	switch {
	case several && (f.validators < 1 || f.output == ""):
		return usagef("--validators N and --output DIR go together")
	case several && (f.keys || len(f.lines) > 0):
		return usagef("--validators makes all homes here: that leaves nothing for --keys and --validator")
	case f.keys && len(f.lines) > 0:
		return usagef("--keys comes first, --validator LINE when all lines are known")
	case several && int(f.basePort)+2*f.validators > 1<<16:
		return usagef("--base-port: %d leaves too few ports", f.basePort)
	}
	return nil
}

// config returns what a chain begins with.
func (f ledgerInitFlags) config(home string) (ledger.Config, error) {
	clock, err := checkNetwork(f.network, f.clock)
	if err != nil {
		return ledger.Config{}, err
	}
	cfg := ledger.Config{Home: home, Network: f.network, ChainID: f.chainID, Clock: clock}
	if f.network == "dev" {
		root := simtee.Root()
		cfg.SimulatedRoot = &root
	}
	for _, text := range f.registrars {
		key, err := hex.DecodeString(text)
		if err != nil || len(key) != len(record.Registrar{}) {
			return cfg, usagef("--registrar: %q is not 32 bytes in hex", text)
		}
		cfg.Registrars = append(cfg.Registrars, record.Registrar(key))
	}
	return cfg, nil
}

func (a *app) ledgerInit(f ledgerInitFlags, fl *pflag.FlagSet) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.validators > 0 {
		return a.ledgerInitSeveral(f)
	}
	home, err := filepath.Abs(f.home)
	if err != nil {
		return fileError("use", f.home, err)
	}
	cfg, err := f.config(home)
	if err != nil {
		return err
	}
	p, err := f.peering.over(home, fl)
	if err != nil {
		return err
	}
	self, err := ledger.Prepare(home, p, f.power)
	if err != nil {
		return homeError(err)
	}
	if f.keys {
		return a.sayMember(home, p, self)
	}
	members, err := membersOf(f.lines, self)
	if err != nil {
		return err
	}
	genesis, err := ledger.Found(cfg, members)
	if err != nil {
		return homeError(err)
	}
	return a.sayFounded(genesis, genesisFile(home), []foundedHome{homeOf(home, "", self)})
}

// membersOf reads the lines of validators; without any the node is alone.
func membersOf(lines []string, self ledger.Member) ([]ledger.Member, error) {
	if len(lines) == 0 {
		return []ledger.Member{self}, nil
	}
	out := make([]ledger.Member, len(lines))
	for i, line := range lines {
		m, err := ledger.ParseMember(line)
		if err != nil {
			return nil, err
		}
		out[i] = m
	}
	return out, nil
}

// ledgerInitSeveral makes the homes of a network on this machine.
func (a *app) ledgerInitSeveral(f ledgerInitFlags) error {
	dir, err := filepath.Abs(f.output)
	if err != nil {
		return fileError("use", f.output, err)
	}
	var members []ledger.Member
	var homes []foundedHome
	port := int(f.basePort)
	for i := range f.validators {
		home := filepath.Join(dir, "node"+strconv.Itoa(i+1))
		m, err := ledger.Prepare(home, ledger.Peering{Listen: loopback(port + 2*i)}, f.power)
		if err != nil {
			return homeError(err)
		}
		members = append(members, m)
		homes = append(homes, homeOf(home, loopback(port+2*i+1), m))
	}
	cfg, err := f.config(homes[0].Home)
	if err != nil {
		return err
	}
	genesis, err := ledger.Found(cfg, members)
	if err != nil {
		return homeError(err)
	}
	for i, h := range homes[1:] {
		p := ledger.Peering{Listen: homes[i+1].P2P}
		for j, m := range members {
			if j != i+1 {
				p.Peers = append(p.Peers, m.Peer)
			}
		}
		if err := ledger.Join(h.Home, genesis, p); err != nil {
			return homeError(err)
		}
	}
	return a.sayFounded(genesis, genesisFile(homes[0].Home), homes)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func homeOf(home, listen string, m ledger.Member) foundedHome {
	id, address, _ := strings.Cut(m.Peer, "@")
	return foundedHome{Home: home, NodeID: id, P2P: address, Listen: listen, Validator: m.String()}
}

// sayMember prints the line of a validator to be.
func (a *app) sayMember(home string, p ledger.Peering, m ledger.Member) error {
	if a.asJSON {
		return a.printJSON(founded{Homes: []foundedHome{homeOf(home, "", m)}})
	}
	a.printf("%s\n", m)
	a.sayf("hint: publish this line; it holds no secret")
	return nil
}

func (a *app) sayFounded(genesis []byte, path string, homes []foundedHome) error {
	info, err := ledger.InspectGenesis(genesis)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(genesis)
	out := founded{
		ChainID: info.ChainID, Network: info.Network, Genesis: path, GenesisSHA256: hex.EncodeToString(sum[:]), Homes: homes,
	}
	if a.asJSON {
		return a.printJSON(out)
	}
	a.printf("%s network %s\n", out.Network, out.ChainID)
	a.row("genesis", out.Genesis)
	a.row("its SHA-256", out.GenesisSHA256)
	for _, h := range homes {
		at := h.NodeID
		if h.P2P != "" {
			at += "@" + h.P2P
		}
		a.row("node", at)
	}
	a.sayf("hint: start with")
	for _, h := range homes {
		command := "attesteer ledger start --home " + h.Home
		if h.Listen != "" {
			command += " --listen " + h.Listen
		}
		a.sayf("  %s", command)
	}
	return nil
}
