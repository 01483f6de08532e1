# The first two are all that most people need:
#
#   make demo    install what is missing, build, mount a real directory, work in it, unmount
#   make test    everything below, as CI does it: setup, lint, cross, build, unit, race, fuzz, suites
#
# Variables: FUZZTIME=10s  TESTFLAGS=-v  RACE="./vfs/... ..."

SHELL := /bin/bash
.DEFAULT_GOAL := build
.NOTPARALLEL:

# Time for each fuzz target.
FUZZTIME ?= 10s
# More arguments for go test.
TESTFLAGS ?=
# Packages for the race detector: those whose memory it can see. Words shared with the kernel lie outside the Go heap, where a correct
# hand-over looks like a race and a race like nothing.
RACE ?= ./abi/... ./vfs/... ./passthrough/... ./engine/... ./cmd/... ./internal/config/... ./internal/sdnotify/...

STAGE := scripts/stage.sh
# -p 1: packages that mount, pin threads and measure waits run one after another.
GOTEST := go test -count=1 -timeout=15m -p 1 $(TESTFLAGS)

.PHONY: build demo test setup lint vet format staticcheck cross unit race fuzz suites guests stress clean

build:
	CGO_ENABLED=0 go build -trimpath -o bin/fastfsd ./cmd/fastfsd

demo:
	scripts/demo.sh

# The order: what fails fastest first. The last stage ends with go test's own lines.
test: setup lint cross
	@$(STAGE) build $(MAKE) --no-print-directory -s build
	@$(MAKE) --no-print-directory unit race fuzz suites

setup:
	@$(STAGE) setup scripts/setup.sh test

lint: vet format staticcheck

vet:
	@$(STAGE) vet go vet ./...

format:
	@$(STAGE) gofumpt bash -c 'bad=$$(go tool gofumpt -l .) || exit; [ -z "$$bad" ] || { printf "not formatted, run go tool gofumpt -w:\n%s\n" "$$bad"; exit 1; }'

staticcheck:
	@$(STAGE) staticcheck go tool staticcheck ./...

cross:
	@$(STAGE) linux/arm64 env GOOS=linux GOARCH=arm64 go vet ./...
	@$(STAGE) darwin env GOOS=darwin go vet ./...

# All tests but the suites of others.
unit:
	@$(STAGE) unit bash -c '$(GOTEST) $$(go list ./... | grep -v /test/)'

race:
	@$(STAGE) race $(GOTEST) -race $(RACE)

fuzz:
	@FUZZTIME=$(FUZZTIME) $(STAGE) fuzz scripts/fuzz.sh

suites:
	@LAST=1 $(STAGE) suites $(GOTEST) ./test/...

# The oldest, the current and the newest pair of QEMU and Linux; `make test` takes the current one.
guests:
	FASTFSD_GUESTS="bookworm bookworm-backports trixie-backports" $(GOTEST) ./test/guest

# Load by hand on a mount over each transport: minutes, and packages that nothing else needs.
stress: build
	scripts/setup.sh stress
	scripts/stress.sh

clean:
	rm -rf bin out .tools

# Servers against each other, as root. PAIRS: runs of each row; ROWS: a regular expression of their names, all without.
PAIRS ?= 15
ROWS ?=

.PHONY: bench bench-guest bin/fsbench
bin/fsbench:
	CGO_ENABLED=0 go build -trimpath -o bin/fsbench ./bench/cmd/fsbench

# The device for virtual machines against virtiofsd 1.14, built from crates.io into .tools.
bench-guest: build bin/fsbench
	scripts/virtiofsd.sh
	mkdir -p out
	bin/fsbench -virtiofsd .tools/bin/virtiofsd -pairs $(PAIRS) -time 100ms -rows '$(ROWS)' -json out/bench-guest.json

bench: build bin/fsbench
	cd bench/peers/gofuse && CGO_ENABLED=0 go build -trimpath -o ../../../bin/peer-gofuse .
	mkdir -p out
	bin/fsbench -pairs $(PAIRS) -rows '$(ROWS)' -json out/bench.json
