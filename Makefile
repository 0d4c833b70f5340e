# The commands of every day. CI runs .ci/run, which does all of these and more.
.PHONY: test test-root fuzz lint build

test: ## as any user; what needs root is skipped
	go test ./...

test-root: ## as root: a test that lacks root or a peer fails instead of being skipped
	PRIVHELPER_TEST_ROOT=must go test -race ./...

FUZZTIME ?= 1m

fuzz: ## every fuzzer for FUZZTIME
	grep -rhoH --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed 's|^\./||; s|func ||' | while IFS=: read -r file name; do \
		go -C "$$(dirname $$file)" test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) . || exit 1; done

lint: ## formatting and vet, for each width of integers
	test -z "$$(gofmt -l .)"
	GOARCH=amd64 go vet ./...
	GOARCH=386 go vet ./...
	GOARCH=arm64 go vet ./...

build: ## the static binary that ships, in build/
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o build/privhelper ./cmd/privhelper
