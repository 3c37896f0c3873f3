# What is generated from the services' protos, and the reference of the configuration;
# included by the root Makefile.

PROTO_TOOLS      := $(addprefix .cache/bin/,buf protoc-gen-go protoc-gen-go-grpc protoc-gen-openapi)
# Google's HTTP annotations, from a Go module: buf's registry is not needed.
# It is the last version of that module that holds them.
GOOGLEAPIS       := github.com/grpc-ecosystem/grpc-gateway@v1.16.0
GOOGLEAPIS_FILES := .cache/googleapis/google/api/annotations.proto .cache/googleapis/google/api/http.proto

.PHONY: generate generate-check proto-lint configuration

# What infra reads of each service: its descriptors with all that they import, in the folder $(1).
describe = for spec in services/*/service.yaml; do dir=$$(dirname $$spec); mkdir -p $(1)/$$dir; \
	.cache/bin/buf build $$dir --as-file-descriptor-set --exclude-source-info -o $(1)/$$dir/descriptor.binpb; done

generate: $(PROTO_TOOLS) $(GOOGLEAPIS_FILES) ## Generate Go code, descriptors, the OpenAPI document and docs/configuration.md
	.cache/bin/buf generate
	$(call describe,.)
	$(MAKE) --no-print-directory configuration

configuration: ## Generate docs/configuration.md and the schema of the stacks' files, after a change of keys
	mkdir -p .cache
	go -C infra run ./config/schema -root "$(CURDIR)" > .cache/stack.schema.json && mv .cache/stack.schema.json docs/
	GOWORK=off go -C tools/configuration run . -root "$(CURDIR)"

generate-check: $(PROTO_TOOLS) $(GOOGLEAPIS_FILES) ## Fail, with the difference, if what is generated is not up to date
	rm -rf .cache/generated
	.cache/bin/buf generate --output .cache/generated
	$(call describe,.cache/generated)
	for spec in services/*/service.yaml; do dir=$$(dirname $$spec); cmp $$dir/descriptor.binpb .cache/generated/$$dir/descriptor.binpb; done
	for api in services/*/api; do diff --recursive --unified --exclude='*.proto' $$api .cache/generated/$$api; done
	go -C infra run ./config/schema -root "$(CURDIR)" > .cache/generated/docs/stack.schema.json
	GOWORK=off go -C tools/configuration run . -root "$(CURDIR)" -output "$(CURDIR)/.cache/generated/docs/configuration.md"
	for document in openapi.yaml configuration.md stack.schema.json; do diff --unified docs/$$document .cache/generated/docs/$$document; done

proto-lint: $(PROTO_TOOLS) $(GOOGLEAPIS_FILES) ## Lint the protos and check their format
	.cache/bin/buf lint
	.cache/bin/buf format --diff --exit-code --exclude-path .cache/googleapis/google

$(PROTO_TOOLS) &: tools/buf/go.mod tools/buf/go.sum
	cd tools/buf && GOWORK=off go build -o "$(CURDIR)/.cache/bin/" tool
	touch $(PROTO_TOOLS)

$(GOOGLEAPIS_FILES) &: services/generate.mk
	mkdir -p .cache/googleapis/google/api
	cd "$$(cd tools/buf && GOWORK=off go mod download -json $(GOOGLEAPIS) | sed -n 's/.*"Dir": "\(.*\)",\{0,1\}$$/\1/p')" \
		&& install -m 644 third_party/googleapis/google/api/annotations.proto third_party/googleapis/google/api/http.proto \
			"$(CURDIR)"/.cache/googleapis/google/api/
