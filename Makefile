# The commands of every day. CI runs .ci/run, which does all of these and more.
.PHONY: nightly bench bench-peers faults soak storm weakened test test-root test-schedules fuzz lint build packages test-packages test-install test-policy test-selinux lifetimes test-clock

test: ## as any user; what needs root is skipped
	go test ./...

test-root: ## as root: a test that lacks root or a peer fails instead of being skipped
	PRIVHELPER_TEST_ROOT=must go test -race ./...

SCHEDULES ?= 100

test-schedules: ## locks between machines under SCHEDULES random schedules of faults, each a cluster in namespaces: docs/scaling.md
	go -C lockutils/etcdlock test -count=1 -v -timeout 30m -run '^TestSchedules$$' . -schedules $(SCHEDULES) -clusters 6

FUZZTIME ?= 1m

fuzz: ## every fuzzer for FUZZTIME
	grep -rhoH --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed 's|^\./||; s|func ||' | while IFS=: read -r file name; do \
		go -C "$$(dirname $$file)" test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) . || exit 1; done

nightly: ## as root: what takes hours
	$(MAKE) fuzz FUZZTIME=10m
	$(MAKE) faults weakened soak storm test-schedules test-selinux test-clock
	$(MAKE) lifetimes RUNS=1000

faults: ## as root: each system call fails at every time that it is made
	go test -count=1 -timeout 60m -run '^TestAttacks$$/^faults$$' ./attack -points 1000

RUNS ?= 1000

lifetimes: ## as root: client and helper killed, stopped and frozen at RUNS steps of their conversation: docs/lifetimes.md
	go test -count=1 -v -timeout 60m -run '^TestLifetimes$$' ./attack -runs $(RUNS)

weakened: ## as root: every guard of attack/weaken taken away, and docs/attacks.md compared with what oslo.rootwrap does
	go test -count=1 -timeout 30m -run '^(TestWeakened|TestDocs)$$' ./attack -weakened

SOAKTIME ?= 10m

soak: ## as root: random work with random kills for SOAKTIME; docs/soak.svg is what was held meanwhile
	go test -count=1 -timeout 0 -run '^TestSoak$$' ./attack -soak $(SOAKTIME) -samples $(CURDIR)/build/soak.csv
	go -C bench run ./soak $(CURDIR)/build/soak.csv ../docs/soak.svg

STORMTIME ?= 10m

storm: ## as root: clients that come, break off and lose their workers for STORMTIME; docs/service.md has the last result
	PRIVHELPER_STORM=$(STORMTIME) PRIVHELPER_TEST_ROOT=must go test -count=1 -v -timeout 0 -run '^TestServiceStorm$$' ./cmd/privhelper

lint: ## formatting and vet, for each width of integers
	test -z "$$(gofmt -l .)"
	GOARCH=amd64 go vet ./...
	GOARCH=386 go vet ./...
	GOARCH=arm64 go vet ./...

build: ## the static binary that ships, in build/
	cmd/privhelper/build build/privhelper

packages: ## .deb and .rpm of the last commit, in build/packages
	packaging/build

test-packages: ## as root: what is in the packages, and what they do to a layer over this machine's files
	PRIVHELPER_TEST_ROOT=must go test -count=1 -tags packages ./packaging

DEBIAN_ROOT ?= $(HOME)/.cache/privhelper/bookworm

test-install: ## as root: the same over a Debian 12 of debootstrap's, which is made once
	packaging/debian-root $(DEBIAN_ROOT)
	PRIVHELPER_DEBIAN_ROOT=$(DEBIAN_ROOT) PRIVHELPER_TEST_ROOT=must go test -count=1 -tags packages ./packaging

test-policy: ## as root: the SELinux module compiled, linked with Debian's policy and searched
	PRIVHELPER_TEST_ROOT=must go test -count=1 -tags selinux ./selinux

test-selinux: ## as root: a machine that boots with the module in force and systemd, in qemu; a few minutes
	packaging/debian-root $(DEBIAN_ROOT)
	PRIVHELPER_DEBIAN_ROOT=$(DEBIAN_ROOT) PRIVHELPER_TEST_ROOT=must go test -count=1 -v -timeout 30m -tags boot -run '^TestBoot$$/^selinux$$' ./selinux

test-clock: ## as root: the same machine without SELinux: its clock jumps and it sleeps, while everything that has a limit is waited for
	packaging/debian-root $(DEBIAN_ROOT)
	PRIVHELPER_DEBIAN_ROOT=$(DEBIAN_ROOT) PRIVHELPER_TEST_ROOT=must go test -count=1 -v -timeout 30m -tags boot -run '^TestBoot$$/^clock$$' ./selinux

bench: ## as root: every row of docs/benchmarks.md against what the machine can do at best; writes the page and its plots
	go -C bench run . -out ../docs

bench-peers: ## the same with what people use today (bench/peers/README.md)
	go -C bench run . -peers -out ../docs
