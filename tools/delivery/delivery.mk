# Delivering a stack: what CI runs. With PULUMI=".cache/bin/sandbox pulumi --" each of
# these works on the sandbox, as `make plan STACK=sandbox PULUMI=…`.

##@ Delivery: what CI does, one stack at a time (STACK=dev)

export STACK ?= dev
DELIVERY := $(BIN)/delivery
deliver = $(DELIVERY) $(1) --stack "$$STACK"

.PHONY: bootstrap
bootstrap: ## Make what the first `pulumi up` needs (PROJECT=my-project REPO=owner/name; PLAN=1: only show)
	@go -C tools/bootstrap run . -root "$(CURDIR)" -project "$(PROJECT)" -repo "$(REPO)" -stack "$(STACK)" $(if $(PLAN),-plan) $(if $(YES),-yes)

# What a person types into a form of CI gets here as a variable of the environment. The
# shell reads it from there ($$TO): make would run a function that is in it.

.PHONY: plan
plan: $(DELIVERY) ## Preview a stack, write the plan and the comment about it (BASE=origin/main PR=7)
	@$(call deliver,plan) --base "$${BASE:-}" --images "$${IMAGES:-}" --keep "$${KEEP:-}" --pull-request "$${PR:-0}" $${TOUCHED:+--touched}

.PHONY: deploy
deploy: $(DELIVERY) ## Bring a stack up (PLAN=.cache/delivery/dev/plan.json: exactly as planned)
	@$(call deliver,deploy) --plan "$${PLAN:-}" --kept "$${KEPT:-}" --tried "$${TRIED:-}" --keep "$${KEEP:-}"

.PHONY: drift
drift: $(DELIVERY) ## Find what was changed behind Pulumi's back (ISSUE=1: keep an issue about it)
	@$(call deliver,drift) $${ISSUE:+--issue}

.PHONY: recover
recover: $(DELIVERY) ## Settle what an update that was killed left in the state, before the next one
	@$(call deliver,recover)

.PHONY: rollback
rollback: $(DELIVERY) ## List deployments, show what going back changes (TO=3), do it (YES=1)
	@$(call deliver,rollback) --to "$${TO:-0}" $${YES:+--yes}

.PHONY: review
review: $(DELIVERY) ## Bring up a stack for a pull request, like STACK (PR=7, COMMENT=1)
	@$(call deliver,review) --pull-request "$${PR:-0}" $${COMMENT:+--comment}

.PHONY: review-down
review-down: $(DELIVERY) ## Destroy and remove the stack of a pull request (PR=7)
	@$(call deliver,review-down) --pull-request "$${PR:-0}" $${COMMENT:+--comment}

.PHONY: teardown
teardown: $(DELIVERY) ## Destroy a stack, once both confirmations are given that it asks for
	@$(call deliver,teardown) --confirm-stack "$${CONFIRM_STACK:-}" --confirm-address "$${CONFIRM_ADDRESS:-}"

.PHONY: stacks
stacks: $(DELIVERY) ## Print the stacks that CI delivers, as JSON (BASE=origin/main: that a change touches)
	@$(DELIVERY) stacks --base "$${BASE:-}"

.PHONY: identity
identity: $(DELIVERY) ## Print who a job logs in as (ROLE=deployer), and where the state is
	@$(call deliver,identity) --as "$${ROLE:-previewer}"

.PHONY: $(DELIVERY)
$(DELIVERY):
	@cd tools/delivery && CGO_ENABLED=0 go build -trimpath -o ../../$(BIN)/ .
