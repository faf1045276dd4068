// SPDX-License-Identifier: Apache-2.0

package metrics

// Type is how a metric behaves.
type Type string

// The types.
const (
	// Counter only rises, and begins at zero when the process does.
	Counter Type = "counter"
	// Gauge rises and falls.
	Gauge Type = "gauge"
	// Histogram counts observations by size.
	Histogram Type = "histogram"
)

// Description is one metric, as the operator's page and the endpoint show it.
type Description struct {
	// Name is whole, with the prefix, the unit and, of counters, _total.
	Name   string
	Type   Type
	Help   string
	Labels []string
}

// The names of the metrics.
const (
	buildInfo = "attesteer_build_info"

	httpRequests = "attesteer_http_requests_total"
	httpDuration = "attesteer_http_request_duration_seconds"
	httpInFlight = "attesteer_http_requests_in_flight"
	rpcCalls     = "attesteer_rpc_calls_total"
	rpcDuration  = "attesteer_rpc_call_duration_seconds"
	streamsOpen  = "attesteer_streams_open"
	refusals     = "attesteer_quota_refusals_total"

	verdicts           = "attesteer_verdicts_total"
	appraisalDuration  = "attesteer_appraisal_duration_seconds"
	submissionDuration = "attesteer_submission_duration_seconds"

	endorsements       = "attesteer_endorsements"
	endorsementAge     = "attesteer_endorsement_age_seconds"
	endorsementExpires = "attesteer_endorsement_expires_in_seconds"
	endorsementSoonest = "attesteer_endorsement_soonest_expires_in_seconds"
	fetches            = "attesteer_endorsement_fetches_total"
	fetchDuration      = "attesteer_endorsement_fetch_duration_seconds"
	serviceUp          = "attesteer_endorsement_service_up"
	serviceSuccess     = "attesteer_endorsement_service_last_success_timestamp_seconds"

	ledgerHeight     = "attesteer_ledger_height"
	ledgerTime       = "attesteer_ledger_time_seconds"
	ledgerLag        = "attesteer_ledger_lag_seconds"
	ledgerBlockAge   = "attesteer_ledger_block_age_seconds"
	ledgerEvents     = "attesteer_ledger_events_total"
	ledgerCatching   = "attesteer_ledger_catching_up"
	ledgerValidators = "attesteer_ledger_validators"
	misbehaviour     = "attesteer_misbehaviour_total"
	ledgerPeers      = "attesteer_ledger_peers"
	poolCount        = "attesteer_pool_transactions"
	poolBytes        = "attesteer_pool_bytes"

	indexLag   = "attesteer_index_lag_events"
	indexBytes = "attesteer_index_bytes"
	homeFree   = "attesteer_home_free_bytes"
	homeTotal  = "attesteer_home_size_bytes"
	certExpiry = "attesteer_tls_certificate_expiry_timestamp_seconds"
	tokenCount = "attesteer_tokens"            //nolint:gosec // a metric's name, no credential
	tokenBytes = "attesteer_token_store_bytes" //nolint:gosec // a metric's name, no credential
	ready      = "attesteer_ready"
	condition  = "attesteer_condition"

	cacheRequests = "attesteer_pccs_requests_total"
	cacheReads    = "attesteer_pccs_reads_total"
	cacheStale    = "attesteer_pccs_stale_served_total"
	cacheDays     = "attesteer_pccs_artefact_expires_in_days"
	cachePushed   = "attesteer_pccs_pushed_total"
	cachePending  = "attesteer_pccs_push_pending"

	agentRounds   = "attesteer_agent_rounds_total"
	agentFailures = "attesteer_agent_failures"
	agentSuccess  = "attesteer_agent_last_success_timestamp_seconds"
	agentState    = "attesteer_agent_record_state"
	agentExpires  = "attesteer_agent_record_expires_in_seconds"
	agentValid    = "attesteer_agent_record_valid_for_seconds"
)

// Table returns every metric of this package, in the order of the page. Those
// of the Go runtime and of the process are the client library's.
func Table() []Description {
	return []Description{
		{buildInfo, Gauge, "Always 1; the labels say what runs.", []string{"version", "revision", "goversion"}},

		{ready, Gauge, "1 while /readyz answers 200, degraded or not.", nil},
		{condition, Gauge, "1 while /readyz names the condition, else 0.", []string{"code"}},

		{httpRequests, Counter, "Requests answered, by the pattern of their route, and class of status.", []string{"route", "method", "status"}},
		{httpDuration, Histogram, "Time from the header of a request to the end of its answer. WebSockets and event streams are left out.", []string{"route", "method"}},
		{httpInFlight, Gauge, "Requests being served, WebSockets and event streams among them.", nil},
		{rpcCalls, Counter, "JSON-RPC calls by method and outcome: ok, or the kind of the error.", []string{"method", "outcome"}},
		{rpcDuration, Histogram, "Time that JSON-RPC calls took.", []string{"method"}},
		{streamsOpen, Gauge, "Open WebSockets, subscriptions over them, and streams of events.", []string{"kind"}},
		{refusals, Counter, "Calls refused for asking too much: by address, by token, by registrar on the ledger, or since the pool was full.", []string{"what"}},

		{verdicts, Counter, "Verdicts on evidence, recorded or appraised without a record: by TEE, tier and kind. Kind none is accepted.", []string{"call", "tee", "tier", "kind"}},
		{appraisalDuration, Histogram, "Time that appraisals without a record took.", nil},
		{submissionDuration, Histogram, "Time from evidence at hand to its committed block, fetching of endorsements included.", []string{"outcome"}},

		{endorsements, Gauge, "Endorsements on the ledger that count, those superseded left out, by whether they hold at ledger time.", []string{"kind", "tee", "state"}},
		{endorsementAge, Gauge, "Age of the oldest endorsement that counts.", []string{"kind", "tee"}},
		{endorsementExpires, Gauge, "Time until the first endorsement that counts ends; negative once it did.", []string{"kind", "tee"}},
		{endorsementSoonest, Gauge, "The same for the 20 that end first, each by itself.", []string{"kind", "tee", "scope", "number"}},
		{fetches, Counter, "Calls of vendors' services by outcome: got, same, absent, refused or down.", []string{"service", "outcome"}},
		{fetchDuration, Histogram, "Time that calls of vendors' services took.", []string{"service"}},
		{serviceUp, Gauge, "0 while a service counts as down and is left alone, else 1.", []string{"service"}},
		{serviceSuccess, Gauge, "When a service last gave an answer of use; 0 if it never did.", []string{"service"}},

		{ledgerHeight, Gauge, "Height of the last block that this node committed.", nil},
		{ledgerTime, Gauge, "Ledger time as of that block, in Unix time.", nil},
		{ledgerLag, Gauge, "How far ledger time is behind the node's clock. An idle ledger renews it every half minute.", nil},
		{ledgerBlockAge, Gauge, "Time since the last block, by its header.", nil},
		{ledgerEvents, Counter, "Events on the ledger: records, statuses, withdrawals, endorsements. It goes on where it was after a start.", nil},
		{ledgerCatching, Gauge, "1 while the node copies blocks before it takes part.", nil},
		{ledgerValidators, Gauge, "Validators of the next block.", nil},
		{misbehaviour, Counter, "Cases of validators that signed what contradicts itself, on record since the genesis.", nil},
		{ledgerPeers, Gauge, "Other nodes that this one is connected with.", nil},
		{poolCount, Gauge, "Transactions that wait for a block.", nil},
		{poolBytes, Gauge, "Their size.", nil},

		{indexLag, Gauge, "Events that the search index lacks; it takes them when it is next read.", nil},
		{indexBytes, Gauge, "Size of the index's files.", nil},
		{homeFree, Gauge, "Free space where the home is, as its user may use it.", nil},
		{homeTotal, Gauge, "Size of the file system where the home is.", nil},
		{certExpiry, Gauge, "End of the TLS certificate that is served, in Unix time; absent without TLS.", nil},
		{tokenCount, Gauge, "Tokens in the home by state.", []string{"state"}},
		{tokenBytes, Gauge, "Size of the list of tokens.", nil},

		{cacheRequests, Counter, "Of a PCCS: requests answered, by path and class of status.", []string{"path", "status"}},
		{cacheReads, Counter, "Of a PCCS: reads answered from memory, and those for which its store or an upstream was asked.", []string{"path", "from"}},
		{cacheStale, Counter, "Of a PCCS: answers that were past their next update.", nil},
		{cacheDays, Gauge, "Of a PCCS: days until an artefact's next update; negative once it is past.", []string{"kind", "tee", "scope", "update", "version"}},
		{cachePushed, Counter, "Of a PCCS that publishes on a ledger: what the ledger took or knew (taken), and what it will never take (refused).", []string{"outcome"}},
		{cachePending, Gauge, "Of a PCCS that publishes on a ledger: what waits, since the ledger's node did not take it yet.", nil},

		{agentRounds, Counter, "Of an agent: rounds in which it had an enclave attested (recorded, known), published newer endorsements (renewed), did not (failed), or gave up (ended).", []string{"enclave", "outcome"}},
		{agentFailures, Gauge, "Of an agent: rounds that failed since an enclave was last attested.", []string{"enclave"}},
		{agentSuccess, Gauge, "Of an agent: when an enclave was last attested, in Unix time; 0 if it never was.", []string{"enclave"}},
		{agentState, Gauge, "Of an agent: 1 for the state of an enclave's record, as it was last seen, else 0.", []string{"enclave", "state"}},
		{agentExpires, Gauge, "Of an agent: time until an enclave's record expires; negative once it did.", []string{"enclave"}},
		{agentValid, Gauge, "Of an agent: time until the data end that an enclave's record rests on; negative once they did.", []string{"enclave"}},
	}
}

// described returns a metric of the table.
func described(name string) Description {
	for _, d := range Table() {
		if d.Name == name {
			return d
		}
	}
	panic("metrics: the table lacks " + name)
}
