// SPDX-License-Identifier: Apache-2.0

package qcnl

import (
	"cmp"
	"slices"
	"strings"

	"github.com/attesteer/attesteer/rats"
)

// Where the library looks for its file: at the path in the variable, else at
// the default one.
const (
	PathVariable = "QCNL_CONF_PATH"
	DefaultPath  = "/etc/sgx_default_qcnl.conf"
)

// Names of the options, as JSON has them. Of a legacy file they are the same in
// capitals.
const (
	PCCSURL              = "pccs_url"
	UseSecureCert        = "use_secure_cert"
	CollateralService    = "collateral_service"
	APIVersion           = "pccs_api_version"
	TCBUpdateType        = "tcb_update_type"
	RetryTimes           = "retry_times"
	RetryDelay           = "retry_delay"
	LocalPCKURL          = "local_pck_url"
	PCKCacheHours        = "pck_cache_expire_hours"
	CollateralCacheHours = "verify_collateral_cache_expire_hours"
	CustomRequestOptions = "custom_request_options"
	LocalCacheOnly       = "local_cache_only"
)

// Options returns the names of all options, in the order in which people think
// of them.
func Options() []string {
	return []string{
		PCCSURL, UseSecureCert, CollateralService, APIVersion, TCBUpdateType, RetryTimes, RetryDelay,
		LocalPCKURL, PCKCacheHours, CollateralCacheHours, CustomRequestOptions, LocalCacheOnly,
	}
}

// defaultURL is what is asked where no file says otherwise.
const defaultURL = "https://localhost:8081/sgx/certification/v4/"

// maxCacheHours is the longest that the library keeps an answer: 90 days.
const maxCacheHours = 2160

// Form is how a file was read.
type Form string

// The forms.
const (
	// JSON is the form of today.
	JSON Form = "json"
	// Legacy is lines of KEY=value.
	Legacy Form = "legacy"
)

// Level is how bad a finding is.
type Level string

// The levels.
const (
	// Error: the library does something else than the file says, or fails.
	Error Level = "error"
	// Warning: it does what the file says, which may not be wise.
	Warning Level = "warning"
	// Note: worth knowing.
	Note Level = "note"
)

// Finding is something about a file that its author should know.
type Finding struct {
	Level Level `json:"level"`
	// Option is its name, empty where it is about the whole file.
	Option string `json:"option,omitempty"`
	// Position is that of the value, or of an unknown name; nil where the file
	// has none.
	Position *Position `json:"position,omitempty"`
	Detail   string    `json:"detail"`
}

// Pair is a header or parameter of custom_request_options.
type Pair struct{ Name, Value string }

// Config is what the library makes of a file.
type Config struct {
	Form Form
	// Fault is why the file is not read as JSON although it looks like it, of
	// kind Malformed with line and column; nil where there is none. With a fault
	// the form is Legacy and most likely every option has its default.
	Fault *rats.Error
	// FaultAt is where the fault lies.
	FaultAt Position
	// Findings are in the order of the file.
	Findings []Finding
	// Set says where options are set; those that are not there have defaults.
	Set map[string]Position

	PCCSURL       string
	UseSecureCert bool
	// CollateralService is PCCSURL where it is not set.
	CollateralService string
	// APIVersion is 3.0 or 3.1 in files that work.
	APIVersion string
	// TCBUpdateType is standard or early.
	TCBUpdateType string
	// RetryTimes are tries after the first; RetryDelay is in seconds, and 0
	// stands for 1, 2, 4 and so on.
	RetryTimes, RetryDelay int
	LocalPCKURL            string
	// PCKCacheHours and CollateralCacheHours say how long answers are kept; 0
	// keeps none. They are at most 2160.
	PCKCacheHours, CollateralCacheHours float64
	// Headers and Params go along with requests for PCK certificates.
	Headers, Params []Pair
	LocalCacheOnly  bool
}

// defaults returns what the library does without a file.
func defaults(form Form) *Config {
	return &Config{
		Form: form, Set: make(map[string]Position),
		PCCSURL: defaultURL, UseSecureCert: true, CollateralService: defaultURL, APIVersion: "3.0", TCBUpdateType: "standard",
	}
}

// Read returns what the library makes of a file, whatever is in it.
func Read(src []byte) *Config {
	c, b := readJSON(src)
	if b != nil {
		c = readLegacy(src)
		if looksLikeJSON(src) || len(c.Set) == 0 && len(src) > 0 {
			c.FaultAt = positionOf(src, b.at)
			c.Fault = malformed(c.FaultAt, b.what)
			c.note(Error, "", nil, "%s", "the whole file is read as lines of KEY=value instead, without a word: "+c.leftover())
		}
	}
	c.judge()
	slices.SortStableFunc(c.Findings, func(a, b Finding) int { return order(a.Position, b.Position) })
	return c
}

// Parse returns what the library makes of a file that it reads as it is meant.
// Otherwise the error is Malformed, with line and column: of the fault, or of
// the first finding at level Error about what is set in the file.
func Parse(src []byte) (*Config, error) {
	c := Read(src)
	if c.Fault != nil {
		return nil, c.Fault
	}
	for _, f := range c.Findings {
		if f.Level == Error && f.Position != nil {
			return nil, malformed(*f.Position, f.Option+" "+f.Detail)
		}
	}
	return c, nil
}

// leftover says what remains of a file that is not read as JSON.
func (c *Config) leftover() string {
	if len(c.Set) == 0 {
		return "every option has its default, and " + defaultURL + " is asked"
	}
	var names []string
	for _, name := range Options() {
		if _, ok := c.Set[name]; ok {
			names = append(names, name)
		}
	}
	return "only " + strings.Join(names, ", ") + " is set by it"
}

// looksLikeJSON reports whether a text is meant to be JSON: it begins like it
// behind white space and comments.
func looksLikeJSON(src []byte) bool {
	d := &dialect{src: []byte(strings.TrimPrefix(string(src), "\ufeff"))}
	for d.space() != nil && d.peek() == '#' {
		_, rest, _ := strings.Cut(string(d.src[d.i:]), "\n")
		d = &dialect{src: []byte(rest)}
	}
	return d.peek() == '{' || d.peek() == '['
}

// order sorts positions; what has none comes first.
func order(a, b *Position) int {
	var zero Position
	x, y := cmp.Or(a, &zero), cmp.Or(b, &zero)
	return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column))
}

// at returns where an option is set, nil for one that has its default.
func (c *Config) at(option string) *Position {
	p, ok := c.Set[option]
	if !ok {
		return nil
	}
	return &p
}
