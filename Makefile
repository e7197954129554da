# All that is done to this project, by name. `make` alone lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# VERSION is what `upsurge version` prints.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# BINARY and TAGS, the Go build tags, say which build `make build`, `make
# test-integration` and `make bench` are about. The other build against real
# masters: make test-integration TAGS=goczmq BINARY=bin/upsurge-goczmq
BINARY ?= bin/upsurge
TAGS ?=
# FUZZTIME is how long each fuzzer runs, as time (30s) or as executions (1000x).
FUZZTIME ?= 10s
# BENCH chooses benchmarks by name.
BENCH ?= .
# MINUTES and SEED are about `make soak`; without a SEED it takes one and prints it.
MINUTES ?= 30
SEED ?=
# BENCH_HTTP are further flags of `make bench-http`, such as -rounds 9.
BENCH_HTTP ?=

TOOLS := bin/tools
# libczmq is a C library; everything else is built without C, and so static.
CGO := $(if $(filter goczmq,$(TAGS)),1,0)
LDFLAGS := -s -w -X main.version=$(VERSION)

# The unit tests need nothing but Go; the packages under test/ need Locust.
UNIT = $$(go list ./... | grep -v '^upsurge/test/')
UNIT_TEST := go test -race -timeout 10m

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##@ Building

.PHONY: build
build: ## the static binary bin/upsurge (pure Go)
	CGO_ENABLED=$(CGO) go build -trimpath -tags '$(TAGS)' -ldflags '$(LDFLAGS)' -o $(BINARY) ./cmd/upsurge

.PHONY: build-goczmq
build-goczmq: ## bin/upsurge-goczmq, the same worker on libczmq (needs libczmq-dev)
	$(MAKE) --no-print-directory build TAGS=goczmq BINARY=bin/upsurge-goczmq

.PHONY: clean
clean: ## remove what was built; .venv stays
	rm -rf bin

##@ Checking

.PHONY: check
check: check-format check-modules lint check-imports vet test-unit fuzz ## format, lint, import rules, vet, unit tests, short fuzz: before each commit

.PHONY: test
test: check test-portable test-goczmq test-integration conformance-short check-static vuln ## everything that must pass, real Locust masters included

# $(TOOLS)/.built stands for all tools: they are built anew when their pins change.
$(TOOLS)/.built: tools/go.mod tools/go.sum
	@echo "building the tools pinned in tools/go.mod"
	rm -rf $(TOOLS) && mkdir -p $(TOOLS)
	CGO_ENABLED=0 go -C tools build -o $(CURDIR)/$(TOOLS)/ tool
	touch $@

.PHONY: fmt
fmt: $(TOOLS)/.built ## format the Go code
	$(TOOLS)/gofumpt -w .

.PHONY: check-format
check-format: $(TOOLS)/.built ## fail where the Go code is not formatted
	@unformatted=$$($(TOOLS)/gofumpt -l .); if [ -n "$$unformatted" ]; then \
		echo "not formatted (make fmt does it):"; echo "$$unformatted"; exit 1; fi

.PHONY: check-modules
check-modules: ## fail where go.mod or go.sum do not fit the code
	go mod tidy -diff
	go -C tools mod tidy -diff

.PHONY: lint
lint: $(TOOLS)/.built ## golangci-lint
	@configured=$$(sed -n '1s/^# golangci-lint //p' .golangci.yml); \
	pinned=$$(awk '$$1 == "github.com/golangci/golangci-lint/v2" { print $$2 }' tools/go.mod); \
	if [ "$$configured" != "$$pinned" ]; then \
		echo ".golangci.yml is written for golangci-lint '$$configured', tools/go.mod pins '$$pinned'"; exit 1; fi
	$(TOOLS)/golangci-lint config verify
	$(TOOLS)/golangci-lint run ./...

.PHONY: check-imports
check-imports: ## which package may import which
	scripts/check-imports

# Vet for what is built seldom: the portable engine, another processor, a
# system other than Linux.
.PHONY: vet
vet: ## go vet, for all systems and build tags
	go vet ./...
	go vet -tags portable ./...
	CGO_ENABLED=0 GOARCH=arm64 go vet ./...
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 go vet ./...

.PHONY: test-unit
test-unit: ## unit tests with the race detector
	$(UNIT_TEST) $(UNIT)

.PHONY: test-portable
test-portable: ## unit tests of the engine without epoll
	$(UNIT_TEST) -tags portable $(UNIT)

.PHONY: test-goczmq
test-goczmq: ## unit tests of the worker on libczmq, skipped where it cannot be had
	@if scripts/apt-install libczmq-dev pkg-config || pkg-config --exists libczmq; then \
		set -x; go vet -tags goczmq ./... && $(UNIT_TEST) -tags goczmq ./worker/... ./cmd/...; \
	else echo "SKIPPED: the tests on libczmq, because libczmq-dev is not here"; fi

.PHONY: test-integration
test-integration: build ## tests against real Locust masters, the newest and 2.12.1
	@locust=$${UPSURGE_LOCUST:-$$(scripts/locust-env all)}; \
	export UPSURGE_LOCUST="$$locust" UPSURGE_BINARY="$(abspath $(BINARY))"; \
	echo "UPSURGE_LOCUST=$$UPSURGE_LOCUST UPSURGE_BINARY=$$UPSURGE_BINARY"; \
	go test -race -count=1 -p 1 -timeout 20m -tags '$(TAGS)' \
		$$(go list ./test/... | grep -vE '^upsurge/test/(conformance|netfault|soak)$$') ./cmd/upsurge

# Everything waits most of the time, so all of it runs at the same time.
.PHONY: netfault
netfault: build ## network faults between hosts, in network namespaces (root; about 4 minutes)
	@if [ "$$(id -u)" != 0 ]; then echo "SKIPPED: the tests of network faults, because making network namespaces takes root"; exit 0; fi; \
	scripts/apt-install iproute2 ethtool; \
	scripts/apt-install faketime || echo "SKIPPED: a master with its clock an hour behind, because faketime is not here"; \
	locust=$${UPSURGE_LOCUST:-$$(scripts/locust-env all)}; \
	export UPSURGE_LOCUST="$$locust" UPSURGE_BINARY="$(abspath $(BINARY))"; \
	go test -count=1 -v -parallel 8 -timeout 30m -tags '$(TAGS)' ./test/netfault

.PHONY: soak
soak: build ## load and random faults for MINUTES (30), in the order that SEED gives; two workers, real master
	@locust=$${UPSURGE_LOCUST:-$$(scripts/locust-env newest)}; \
	export UPSURGE_LOCUST="$$locust" UPSURGE_BINARY="$(abspath $(BINARY))" MINUTES="$(MINUTES)" SEED="$(SEED)"; \
	go test -count=1 -v -timeout 0 -tags '$(TAGS)' ./test/soak

.PHONY: conformance
conformance: build ## every check of Locust's protocol, four Locusts, both builds; writes docs/conformance.md
	@if scripts/apt-install libczmq-dev pkg-config || pkg-config --exists libczmq; then \
		$(MAKE) --no-print-directory build-goczmq; else rm -f bin/upsurge-goczmq; fi
	scripts/conformance

.PHONY: conformance-short
conformance-short: build ## the quick ones of these checks, newest Locust and 2.12.1
	scripts/conformance --short

.PHONY: fuzz
fuzz: ## each fuzzer for FUZZTIME (10s)
	scripts/fuzz $(FUZZTIME) $(UNIT)

.PHONY: check-static
check-static: build ## fail where bin/upsurge needs libraries of the host
	@if [ "$$(go env GOOS)" != linux ]; then exit 0; fi; \
	libraries=$$(LC_ALL=C ldd $(BINARY) 2>&1 || true); \
	case "$$libraries" in *"not a dynamic executable"*) echo "$(BINARY) is static" ;; \
	*) echo "$(BINARY) needs libraries of the host:"; echo "$$libraries"; exit 1 ;; esac

.PHONY: vuln
vuln: $(TOOLS)/.built ## govulncheck: known vulnerabilities in what is called
	scripts/check-vulnerabilities $(TOOLS)/govulncheck

##@ Running

.PHONY: bench
bench: ## the Go benchmarks; BENCH chooses by name
	go test -run '^$$' -bench '$(BENCH)' -benchmem -tags '$(TAGS)' $(UNIT)

# N is how many connections bench-connections holds.
N ?= 1000000
.PHONY: bench-connections
bench-connections: build ## N connections (1000000) held under a real Locust master, as root; see bench/README.md
	@locust=$$(scripts/locust-env newest); \
	go run ./bench/connections -n $(N) -binary $(BINARY) -locust "$$locust" $(BENCH_CONNECTIONS)

.PHONY: bench-http
bench-http: build ## CPU for an HTTP request: wrk against both clients of HttpQpsUser (needs wrk, two cores)
	@mkdir -p bench/results
	go run ./bench/http -upsurge $(BINARY) -output bench/results/http.json $(BENCH_HTTP)

.PHONY: demo
demo: build ## a real master, two workers, two targets: 10,000 connections for a minute, and the books of all sides
	scripts/demo

.PHONY: demo-ui
demo-ui: build ## the same, with the web UI at :8089 until Ctrl-C
	scripts/demo --ui
