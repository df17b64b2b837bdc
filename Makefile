# Two commands do everything on a fresh machine:  make demo  and  make test
# They install what the system lacks (as root, or with sudo, on Debian and its like), and say so elsewhere.

CARGO ?= cargo
BIN := target/release/btcdmon
DEMO := captures/btcd-v1/capture.pcap.zst
STORE := target/demo.db
# A folder with recordings to hold the sensor against (not part of the repository).
SHARED ?=

.PHONY: help demo build deb ui test check fmt clippy doc deps-build deps-test e2e browser load soak fuzz bench shared record clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: build ## build, replay a bundled real capture, show the result and what to try next
	@rm -f $(STORE)
	$(BIN) replay --store $(STORE) $(DEMO)
	@echo
	@echo "Try next, on your own capture (tcpdump -w node.pcap 'tcp port 8333'):"
	@echo "  $(BIN) replay node.pcap"
	@echo "  $(BIN) messages --format text node.pcap | less -S"
	@echo "  $(BIN) query --store $(STORE) \"SELECT rfc3339(time), user_agent, start_height FROM peers WHERE user_agent <> ''\""
	@echo "  $(BIN) series            what every figure means"
	@echo "  $(BIN) replay --serve $(DEMO)            the dashboard, at http://127.0.0.1:8399"
	@echo "The history is in $(STORE) (SQLite)."

build: deps-build ui ## the program, optimised
	$(CARGO) build --release --locked

deb: build ## a Debian package in target/debian, looked through (installs cargo-deb under target/tools, minutes, once)
	@deploy/debian/package.sh $(BIN) target/debian

ui: ## the dashboard's pages, which the program takes up; needs Node.js
	@src/web/ui/build.sh

test: deps-test ui check e2e browser fuzz ## everything that can be tested here

check: fmt clippy doc
	$(CARGO) test --locked

fmt:
	$(CARGO) fmt --check

clippy:
	$(CARGO) clippy --locked --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items --quiet

e2e: deps-test ui ## live sensors beside real nodes, in network namespaces (root)
	$(CARGO) build --locked
	@tests/e2e/run.sh target/debug/btcdmon || { s=$$?; [ $$s -eq 3 ] && [ -z "$$CI" ] && echo "skipped: the end-to-end tests"; }

browser: deps-test ui ## the dashboard in a headless Chromium; screenshots of every page
	$(CARGO) build --locked
	@tests/browser/run.sh target/debug/btcdmon || { s=$$?; [ $$s -eq 3 ] && [ -z "$$CI" ] && echo "skipped: the browser tests"; }

load: build ## how much the sensor captures without a loss, beside tcpdump (root)
	@tests/load.sh target/release/btcdmon

soak: build ## memory over an hour of traffic with churn: SOAK_MINUTES (root)
	@tests/soak.sh target/release/btcdmon $${SOAK_MINUTES:-60}

fuzz: ## every fuzz target for FUZZ_SECONDS
	@tests/fuzz/run.sh $${FUZZ_SECONDS:-5} || { s=$$?; [ $$s -eq 3 ] && [ -z "$$CI" ] && echo "skipped: the fuzz targets"; }

bench: deps-test ## speed, beside tshark, tcpflow and tcpdump in the same run
	$(CARGO) bench --bench replay -- --write

shared: build ## hold the sensor against recordings: make shared SHARED=folder
	tests/shared.sh $(SHARED) $(BIN)

record: ## record the bundled captures again, from real btcd nodes (root, Go)
	captures/record.sh all

deps-build:
	@.ci/install build

deps-test: deps-build
	@.ci/install test

clean: ## forget what was built
	$(CARGO) clean
