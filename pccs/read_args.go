// SPDX-License-Identifier: Apache-2.0

package pccs

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/attesteer/attesteer/pccs/store"
	"github.com/attesteer/attesteer/rats"
)

// Lengths of what is sent in hex, in digits.
const (
	cpuSVNDigits        = 32
	pceSVNDigits        = 4
	pceIDDigits         = 4
	encryptedPPIDDigits = 768
	fmspcDigits         = 12
	maxURI              = 2048
)

// bad refuses a parameter; what was sent is not repeated.
func bad(name, demand string) error {
	return refuse(http.StatusBadRequest, rats.Malformed, "%s: %s", name, demand)
}

// hexArg returns a parameter of that many hex digits in upper case.
func hexArg(q *query, p param, name string, digits int) (string, error) {
	if !isHex(q.get(p), digits) {
		return "", bad(name, strconv.Itoa(digits)+" hex digits are needed")
	}
	return strings.ToUpper(q.get(p)), nil
}

// pckArgs are those of pckcert: QE identity, CPUSVN, PCESVN and PCE identity. The
// encrypted PPID, which is another at each boot, matters only upstream.
func pckArgs(c *call) (args [4]string, err error) {
	id := c.query.get(qeID)
	if !isQEID(id) {
		return args, bad("qeid", "1 to 260 characters are needed")
	}
	args[0] = strings.ToUpper(id)
	if args[1], err = hexArg(&c.query, cpuSVN, "cpusvn", cpuSVNDigits); err != nil {
		return args, err
	}
	if args[2], err = hexArg(&c.query, pceSVN, "pcesvn", pceSVNDigits); err != nil {
		return args, err
	}
	if args[3], err = hexArg(&c.query, pceID, "pceid", pceIDDigits); err != nil {
		return args, err
	}
	if c.query.has(encryptedPPID) && !isHex(c.query.get(encryptedPPID), encryptedPPIDDigits) {
		return args, bad("encrypted_ppid", "768 hex digits are needed")
	}
	return args, nil
}

// crlArgs are the CA and "der", or nothing for hex. Whatever else is asked for,
// "pem" too, Intel's service answers in hex.
func crlArgs(c *call) (args [4]string, err error) {
	switch ca := strings.ToLower(c.query.get(paramCA)); ca {
	case store.ProcessorCA, store.PlatformCA:
		args[0] = ca
	default:
		return args, bad("ca", "processor or platform is needed")
	}
	if strings.EqualFold(c.query.get(paramEncoding), "der") {
		args[1] = "der"
	}
	return args, nil
}

// tcbArgs are update and FMSPC.
func tcbArgs(c *call) (args [4]string, err error) {
	if args, err = updateArgs(c); err != nil {
		return args, err
	}
	fmspc, err := hexArg(&c.query, paramFMSPC, "fmspc", fmspcDigits)
	args[1] = strings.ToLower(fmspc)
	return args, err
}

// updateArgs are the update: "standard", "early", or a number.
func updateArgs(c *call) (args [4]string, err error) {
	if !c.query.has(paramNumber) {
		args[0] = store.Standard
		if c.query.has(paramUpdate) {
			args[0] = strings.ToLower(c.query.get(paramUpdate))
		}
		if args[0] != store.Standard && args[0] != store.Early {
			return args, bad("update", "standard or early is needed")
		}
		return args, nil
	}
	if c.query.has(paramUpdate) {
		return args, bad("tcbEvaluationDataNumber", "it does not go with update")
	}
	n, err := strconv.ParseUint(c.query.get(paramNumber), 10, 32)
	if err != nil || n == 0 {
		return args, bad("tcbEvaluationDataNumber", "a number is needed")
	}
	args[0] = strconv.FormatUint(n, 10)
	return args, nil
}

func noArgs(*call) (args [4]string, err error) { return args, nil }

// fmspcArgs are the FMSPC.
func fmspcArgs(c *call) (args [4]string, err error) {
	args[0], err = hexArg(&c.query, paramFMSPC, "fmspc", fmspcDigits)
	return args, err
}

// fmspcsArgs are nothing, and the kind of platform: "all" where none is asked for.
func fmspcsArgs(c *call) (args [4]string, err error) {
	args[1] = "all"
	if c.query.has(paramPlatform) {
		args[1] = strings.ToLower(c.query.get(paramPlatform))
	}
	switch args[1] {
	case "all", "client", "e3", "e5":
		return args, nil
	default:
		return args, bad("platform", "all, client, E3 or E5 is needed")
	}
}

// uriArgs are the address of a list, which has to be one of Intel's.
func uriArgs(c *call) (args [4]string, err error) {
	uri := c.query.get(paramURI)
	if uri == "" || len(uri) > maxURI {
		return args, bad("uri", "1 to 2048 characters are needed")
	}
	// Nobody shall have this service call whomever he likes.
	if _, err := crlKey(uri); err != nil {
		return args, bad("uri", "the address of one of Intel's revocation lists is needed")
	}
	args[0] = uri
	return args, nil
}
