# What is generated from the services' protos, and the reference of the configuration;
# included by the root Makefile.

PROTO_TOOLS := $(addprefix .cache/bin/,buf protoc-gen-go protoc-gen-go-grpc)
# cmd/protos has a go.work of its own: what it imports is newer than elsewhere.
PROTOS      := go -C cmd/protos run . -root "$(CURDIR)"

##@ Generated: what follows from the protos and the keys

.PHONY: generate generate-check proto-lint protos configuration

generate: protos configuration ## Generate Go code, descriptors, the OpenAPI document and docs/configuration.md

protos: $(PROTO_TOOLS) ## Generate only what follows from the protos
	@echo "Compiling cmd/protos, a minute the first time"
	@$(PROTOS) generate

configuration: ## Generate docs/configuration.md and the schema of the stacks' files, after a change of keys
	mkdir -p .cache
	go -C infra run ./config/schema -root "$(CURDIR)" > .cache/stack.schema.json && mv .cache/stack.schema.json docs/
	GOWORK=off go -C cmd/configuration run . -root "$(CURDIR)"

generate-check: $(PROTO_TOOLS) ## Fail, with the difference, if what is generated is not up to date
	$(PROTOS) check
	mkdir -p .cache/generated
	go -C infra run ./config/schema -root "$(CURDIR)" > .cache/generated/stack.schema.json
	GOWORK=off go -C cmd/configuration run . -root "$(CURDIR)" -output "$(CURDIR)/.cache/generated/configuration.md"
	for document in configuration.md stack.schema.json; do diff --unified docs/$$document .cache/generated/$$document; done

proto-lint: $(PROTO_TOOLS) ## Lint the protos and check their format
	$(PROTOS) lint

$(PROTO_TOOLS) &: tools/buf/go.mod tools/buf/go.sum
	@echo "Building buf and its plugins, some minutes the first time"
	cd tools/buf && GOWORK=off go build -v -o "$(CURDIR)/.cache/bin/" tool
	touch $(PROTO_TOOLS)
