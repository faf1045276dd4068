# SPDX-License-Identifier: Apache-2.0
#
# What a contributor runs. `make` lists it. Nothing here installs anything
# outside this folder and Go's caches.

GO       ?= go
FUZZTIME ?= 10m
TIMEOUT  ?= 15m

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 12

.PHONY: run
run: build ## start a development network, attest a simulated enclave, say what to try next
	./bin/attesteer serve --network dev --home .attesteer --demo

.PHONY: network
network: build ## start four validators and a full node on this machine, and show that they agree
	@./packaging/network ./bin/attesteer .attesteer-network

.PHONY: build
build: ## build bin/attesteer
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/attesteer ./cmd/attesteer

.PHONY: test
test: ## vet, every test under the race detector in random order, and the comparison with other verifiers
	@if [ -n "$$CI" ] && ! command -v chromium >/dev/null; then \
		echo "error: no chromium found, and the pages are tested in a real one" >&2; \
		echo "hint: apt-get install -y chromium, or run .ci/run, which does so" >&2; exit 1; fi
	$(GO) vet ./...
	$(GO) test -race -shuffle=on -timeout $(TIMEOUT) ./...
	cd differential && $(GO) vet ./... && $(GO) test -shuffle=on -timeout $(TIMEOUT) ./...

.PHONY: lint
lint: ## formatting, tidiness and the linters of .golangci.yml
	@files=$$(git ls-files -z '*.go' | xargs -0 gofmt -l); \
		[ -z "$$files" ] || { echo "error: not formatted: $$files" >&2; echo "hint: gofmt -w ." >&2; exit 1; }
	$(GO) mod tidy -diff
	cd differential && $(GO) mod tidy -diff
	$(GO) tool -modfile=tools/go.mod golangci-lint run
	cd differential && $(GO) tool -modfile=../tools/go.mod golangci-lint run -c ../.golangci.yml

.PHONY: bench
bench: ## every benchmark, with allocations, and other verifiers beside
	$(GO) test -run '^$$' -bench . -benchmem -timeout $(TIMEOUT) ./...
	cd differential && $(GO) test -run '^$$' -bench . -benchmem -timeout $(TIMEOUT) ./...

.PHONY: figures
figures: ## what docs/benchmarks.md shows of a whole node, one pass each
	$(GO) test -run '^$$' -bench '^BenchmarkNode|^BenchmarkRegistration' -benchtime 1x -timeout $(TIMEOUT) ./cmd/attesteer

.PHONY: figures-ledger
figures-ledger: ## the same of nodes under many clients, and of many records
	$(GO) test -run '^$$' -bench '^BenchmarkThroughput' -benchtime 1x -timeout 1h ./cmd/attesteer
	$(GO) test -run '^$$' -bench '^BenchmarkSize|^BenchmarkManyAtStart' -benchtime 1x -timeout 1h ./ledger

.PHONY: figures-pccs
figures-pccs: ## the same of a PCCS: answers from memory over https, memory, start
	$(GO) test -run '^$$' -bench '^BenchmarkPCCS' -benchtime 1x -timeout $(TIMEOUT) ./cmd/attesteer

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME, ten minutes unless it says otherwise
	@log=$$(mktemp) && trap 'rm -f "$$log"' EXIT && \
	grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n 1 dirname | sort -u | while read -r dir; do \
		for target in $$($(GO) test -list '^Fuzz' $$dir | grep ^Fuzz); do \
			echo "$$dir $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$dir 2>&1 | tee "$$log"; \
			grep -q '^ok' "$$log" && continue; \
			: "at the end of its time go sometimes calls the end itself a failure: golang/go#75804"; \
			grep -q '^ *context deadline exceeded$$' "$$log" && ! grep -qE '[Ff]ailing input|panic:' "$$log" || exit 1; \
		done || exit 1; \
	done

# Without inlining but in cryptography and arithmetic, where it counts: a sixth less
# to download. Two tests build with the same.
WASM_FLAGS = -trimpath -ldflags='-s -w' -gcflags=all=-l -gcflags=crypto/...= -gcflags=math/...=

.PHONY: wasm
wasm: ## build bin/attesteer.wasm, for browsers and Node, and hold it to its size budget
	GOOS=js GOARCH=wasm $(GO) build $(WASM_FLAGS) -o bin/attesteer.wasm ./cmd/attesteer-wasm
	$(GO) test -run '^TestVerificationFitsABrowser' -v .

.PHONY: tidy
tidy: ## write generated files anew, format, and tidy the three modules
	$(GO) generate ./...
	gofmt -w .
	$(GO) mod tidy
	cd differential && $(GO) mod tidy
	cd tools && $(GO) mod tidy

.PHONY: clean
clean: ## remove what was built, and the homes of `make run` and `make network`
	rm -rf bin dist .attesteer .attesteer-network
