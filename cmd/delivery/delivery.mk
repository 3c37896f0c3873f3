# Delivering a stack: what CI runs. With PULUMI=".cache/bin/sandbox pulumi --" each of
# these works on the sandbox, as `make plan STACK=sandbox PULUMI=…`.

##@ Delivery: what CI does, one stack at a time (STACK=dev)

export STACK ?= dev
DELIVERY := $(BIN)/delivery

.PHONY: bootstrap
bootstrap: ## Make what the first `pulumi up` needs (PROJECT=my-project REPO=owner/name; PLAN=1: only show)
	@go -C cmd/bootstrap run . -root "$(CURDIR)" -project "$(PROJECT)" -repo "$(REPO)" -stack "$(STACK)" $(if $(PLAN),-plan) $(if $(YES),-yes)

# The jobs read their variables from the environment (cmd/delivery/variables.go), where
# make puts what its command line sets. What a person types into a form of CI is not written
# here: make would run a function that is in it.

.PHONY: plan
plan: $(DELIVERY) ## Preview a stack, write the plan and the comment about it (BASE=origin/main PR=7)
	@$(DELIVERY) plan

.PHONY: deploy
deploy: $(DELIVERY) ## Bring a stack up (PLAN=.cache/delivery/dev/plan.json: exactly as planned)
	@$(DELIVERY) deploy

.PHONY: drift
drift: $(DELIVERY) ## Find what was changed behind Pulumi's back (ISSUE=1: keep an issue about it)
	@$(DELIVERY) drift

.PHONY: recover
recover: $(DELIVERY) ## Clean up the state after a killed update, before the next one
	@$(DELIVERY) recover

.PHONY: rollback
rollback: $(DELIVERY) ## List deployments, show what going back changes (TO=3), do it (YES=1)
	@$(DELIVERY) rollback

.PHONY: review
review: $(DELIVERY) ## Bring up a stack for a pull request, like STACK (PR=7, COMMENT=1)
	@$(DELIVERY) review

.PHONY: review-down
review-down: $(DELIVERY) ## Destroy and remove the stack of a pull request (PR=7)
	@$(DELIVERY) review-down

.PHONY: teardown
teardown: $(DELIVERY) ## Destroy a stack; without its two confirmations, print what would be destroyed
	@$(DELIVERY) teardown

.PHONY: preflight
preflight: $(DELIVERY) ## Preview every stack, and stacks that set every key, with Pulumi's official plugins and no account (ONLY="dev prod")
	@$(DELIVERY) preflight

.PHONY: stacks
stacks: $(DELIVERY) ## Print the stacks that CI delivers, as JSON (BASE=origin/main: that a change touches)
	@$(DELIVERY) stacks

.PHONY: identity
identity: $(DELIVERY) ## Print who a job logs in as (ROLE=deployer), and where the state is
	@$(DELIVERY) identity

.PHONY: $(DELIVERY)
$(DELIVERY):
	@cd cmd/delivery && CGO_ENABLED=0 go build -trimpath -o ../../$(BIN)/ .
