# Everything a person or CI does with this repository. `make help` lists where to begin,
# `make help-all` the rest.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# The linter's cache holds paths: shared between two checkouts, it fails one of them.
export GOLANGCI_LINT_CACHE := $(CURDIR)/.cache/golangci-lint
# Go asks git for the commit to stamp a program with, and git refuses to answer where the
# folder belongs to another user, as on the volume of a container.
export GOFLAGS := $(strip $(shell go env GOFLAGS 2>/dev/null) -buildvcs=false)

BIN := .cache/bin
SANDBOX := $(BIN)/sandbox
# The modules of the workspace, from go.work, and those that are apart.
MODULES = $(shell sed -n 's|^[[:space:]]*\./||p' go.work) sandbox bench cmd/bootstrap cmd/protos
# These test files of other modules, whose changes go test's cache does not see.
UNCACHED := bench policy cmd/configuration cmd/delivery cmd/protos cmd/service
unit = for m in $(1); do echo "== unit tests of $$m"; (cd $$m && go test $$([[ " $(UNCACHED) " != *" $$m "* ]] || echo -count=1) ./...); done

include services/generate.mk
include bench/bench.mk
include cmd/delivery/delivery.mk

##@ Help

# Where to begin, in this order.
FIRST := up call status logs preview service down

.PHONY: help
help: ## Show where to begin
	@echo "Where to begin:"
	@for target in $(FIRST); do sed -n "s|^$$target:.*## \(.*\)|  make $$target\t\1|p" $(MAKEFILE_LIST); done | expand -t 16
	@echo "make help-all lists all targets: tests, benchmarks, generators and what CI runs."

.PHONY: help-all
help-all: ## Show all targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Sandbox: the whole system on this machine

.PHONY: up
up: $(SANDBOX) ## Bring everything up and print how to call it (WAIT=1, V=1)
	@$(SANDBOX) up $(if $(WAIT),--wait) $(if $(V),--verbose)

.PHONY: down
down: $(SANDBOX) ## Destroy the stack and remove every trace of the sandbox
	@$(SANDBOX) down

.PHONY: stop
stop: $(SANDBOX) ## Stop the sandbox's processes; `make up` resumes
	@$(SANDBOX) stop

.PHONY: preview
preview: $(SANDBOX) ## Show what `make up` would change
	@$(SANDBOX) preview

.PHONY: refresh
refresh: $(SANDBOX) ## Refresh Pulumi's state from the real resources, and show the drift
	@$(SANDBOX) refresh

.PHONY: status
status: $(SANDBOX) ## Show the sandbox's pods, services and nodes
	@$(SANDBOX) status

.PHONY: logs
logs: $(SANDBOX) ## Show the newest log lines of every pod (APP=echo for one app)
	@$(SANDBOX) logs $(APP)

.PHONY: report
report: $(SANDBOX) ## Pack logs and state for a bug report, without secrets
	@$(SANDBOX) report

.PHONY: call
call: $(SANDBOX) ## Call METHOD with DATA in JSON, or a sample of each method
	@$(SANDBOX) call -- "$${METHOD:-}" "$${DATA:-}"

.PHONY: kubeconfig
kubeconfig: $(SANDBOX) ## Write a kubeconfig for plain kubectl; use as: eval "$(make kubeconfig)"
	@$(SANDBOX) kubeconfig

##@ Development

.PHONY: service
service: ## Write a new service, which works and is tested (NAME=greeter)
	@go -C cmd/service run . -root "$(CURDIR)" add "$(NAME)"

.PHONY: service-calls
service-calls: ## Let a service call another: service.yaml, and in Go its client module (NAME=shop CALLS=stock)
	@go -C cmd/service run . -root "$(CURDIR)" calls "$(NAME)" "$(CALLS)"

.PHONY: service-rename
service-rename: ## Rename a service: its folder and its objects, not its protos (NAME=greeter TO=welcome)
	@go -C cmd/service run . -root "$(CURDIR)" rename "$(NAME)" "$(TO)"

.PHONY: service-remove
service-remove: ## Remove a service (NAME=greeter)
	@go -C cmd/service run . -root "$(CURDIR)" remove "$(NAME)"

.PHONY: contract
contract: ## Report which rules of docs/contract.md an image breaks (NAME=cart, or IMAGE=…)
	@go -C cmd/contract run . -root "$(CURDIR)" $(addprefix -service ,$(NAME)) $(addprefix -start ,$(START)) $(addprefix -env ,$(ENV)) $(addprefix -command ,$(COMMAND)) $(if $(NAME),,"$(IMAGE)") $(ARGS)

.PHONY: test
test: tools ## Run the tests of every module, then the end-to-end test
	@$(call unit,$(filter-out test,$(MODULES)))
	@echo "== envoy, with native gRPC on the way of pages and REST"
	@cd envoy && go test ./e2e -translated
	@echo "== end-to-end test in the sandbox"
	@cd test && go test -count=1 -timeout 80m -v ./...
	@echo "All tests passed: unit tests of $(filter-out test,$(MODULES)), and the end-to-end test."

.PHONY: test-vm
test-vm: tools ## Run the sandbox in a virtual machine with Debian's kernel, systemd and cgroup v2 (ACCEL=kvm where that works)
	@test/vm/run.sh

.PHONY: unit
unit: ## Run the unit tests only (M=infra for one module)
	@$(call unit,$(or $(M),$(filter-out test,$(MODULES))))

.PHONY: lint
lint: $(BIN)/golangci-lint $(BIN)/actionlint ## Lint the Go code of every module, the protos and the workflows
	@$(MAKE) --no-print-directory proto-lint
	@echo "== lint of .github/workflows"
	@$(BIN)/actionlint -shellcheck= -pyflakes= -ignore 'unexpected key "queue" for "concurrency" section' # newer than actionlint 1.7.12
	@echo "== licences"
	@$(MAKE) --no-print-directory licences
	@for m in $(MODULES); do (cd $$m && GOWORK=off go mod tidy -diff) || { echo "$$m/go.mod is not tidy outside the workspace, where the program is run: cd $$m && GOWORK=off go mod tidy" >&2; exit 1; }; done
	@for m in $(MODULES); do echo "== lint of $$m"; (cd $$m && "$(CURDIR)/$(BIN)/golangci-lint" run --config "$(CURDIR)/.golangci.yaml" ./...); done

# The folders whose programs run in the cluster, or with rights to change it.
SHIPPED = $(filter services/% envoy infra policy cmd/bootstrap cmd/delivery,$(MODULES))

.PHONY: licences
licences: ## Check the licence of each module that goes into a program
	@cd cmd/licences && go run . $(addprefix ../../,$(SHIPPED))

.PHONY: vulnerabilities
vulnerabilities: $(BIN)/govulncheck ## Look up known vulnerabilities in what the programs call (DB=file://… for a copy of the database)
	@for m in $(SHIPPED); do echo "== vulnerabilities of $$m"; (cd $$m && GOWORK=off "$(CURDIR)/$(BIN)/govulncheck" $(if $(DB),-db $(DB)) ./...); done

.PHONY: outdated
outdated: ## List the pinned versions that are behind what the registries have (IN=tools/pulumi: of a folder)
	@cd cmd/outdated && go run . -root ../.. $(IN)

.PHONY: check
check: lint vulnerabilities ## Run the checks that need no privileges: lint, vulnerabilities, tests without a sandbox
	@$(call unit,$(filter-out envoy,$(SHIPPED)))

.PHONY: bench
bench: bench-edge bench-stack ## Run bench-edge and bench-stack

.PHONY: bench-edge
bench-edge: $(BENCHED) ## Compare the edge with other proxies, write docs/benchmark.md (BENCH_FLAGS=-quick to try it)
	@mkdir -p .cache/bench
	@cd bench && go build -o ../.cache/bench/bench . && exec ../.cache/bench/bench $(BENCH_FLAGS)

.PHONY: bench-stack
bench-stack: tools ## Measure previews, up, down and builds of what is committed, write docs/benchmark-stack.md (STACK_FLAGS=-cold with empty caches, too)
	@mkdir -p .cache/bench
	@cd bench && go build -o ../.cache/bench/stack ./stack && exec ../.cache/bench/stack $(STACK_FLAGS)

.PHONY: resilience
resilience: $(SANDBOX) ## Break the sandbox on purpose, count every call, write docs/resilience.md (ONLY=drain,scale: some events; TRY=1: no page)
	@cd test && go run ./resilience $(if $(ONLY),-only $(ONLY)) $(if $(TRY),-try)

.PHONY: soak
soak: $(SANDBOX) ## Run the usual load for long, and check that nothing grows (SOAK=30m); adds its row to docs/resilience.md
	@cd test && go run ./resilience -only soak $(if $(SOAK),-soak $(SOAK))

##@ Tools

.PHONY: tools
tools: $(SANDBOX) ## Fetch and build what the sandbox and the tests run
	@$(SANDBOX) tools

# go build takes two seconds to find that nothing changed, which the everyday loop need not wait
# for. The stamp is of this Go, and of the moment at which the build began. The folders are among
# the files because a deleted file changes only its folder.
BUILT := .cache/stamps/sandbox-$(shell go env GOVERSION 2>/dev/null)
.PHONY: $(SANDBOX) unbuilt
$(SANDBOX): $(BUILT)
$(BUILT): $(shell find sandbox internal \( -name testdata -o -name '.*' \) -prune -o ! -name '*_test.go' -print) \
		$(if $(and $(wildcard $(SANDBOX)),$(wildcard $(BIN)/pause)),,unbuilt) | host
	@[ -x $(SANDBOX) ] || echo "Building the sandbox's own program (some 3 minutes the first time with 2 cores; it fetches 170 MB). It then checks this machine and says how long the rest takes."
	@mkdir -p $(@D) && touch $@.begun
	@cd sandbox && CGO_ENABLED=0 go build -trimpath -o ../$(BIN)/ . ./node/pause
	@mv $@.begun $@

.PHONY: host
host:
	@[ "$$(uname -s)" = Linux ] || { echo "The sandbox needs a Linux kernel, and this is $$(uname -s): run it in a Linux VM (for example Lima, WSL 2 or a cloud VM), or in a privileged container, with this folder on a volume." >&2; exit 1; }
	@[ "$$(uname -m)" = x86_64 ] || { echo "The sandbox runs on x86-64 only, and this is $$(uname -m): use an x86-64 Linux VM." >&2; exit 1; }
	@[ "$$(id -u)" = 0 ] || { echo "The sandbox needs root to make namespaces and network links: run sudo env \"PATH=$$PATH\" make $(MAKECMDGOALS), or be root in a privileged container. Run all commands as the same user." >&2; exit 1; }
	@command -v go >/dev/null || { echo "Go is missing: install version 1.26 or newer from https://go.dev/dl, and put its folder bin into PATH." >&2; exit 1; }

$(BIN)/golangci-lint: tools/golangci-lint/go.sum
	@echo "Building golangci-lint (some minutes the first time)"
	@cd tools/golangci-lint && GOWORK=off go build -trimpath -o ../../$(BIN)/ tool

$(BIN)/govulncheck: tools/govulncheck/go.sum
	@cd tools/govulncheck && GOWORK=off go build -trimpath -o ../../$(BIN)/ tool

# For the end-to-end test: the sandbox has no need of it.
$(BIN)/cert-manager: tools/cert-manager/main.go tools/cert-manager/go.sum
	@echo "Building cert-manager (two minutes the first time)"
	@cd tools/cert-manager && GOWORK=off CGO_ENABLED=0 go build -trimpath -o ../../$(BIN)/ .

$(BIN)/actionlint: tools/actionlint/go.sum
	@cd tools/actionlint && GOWORK=off go build -trimpath -o ../../$(BIN)/ tool
