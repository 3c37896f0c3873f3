# Delivering a stack: what CI runs. With PULUMI=".cache/bin/sandbox pulumi --" each of
# these works on the sandbox, as `make plan STACK=sandbox PULUMI=…`.

##@ Delivery: what CI does, one stack at a time (STACK=dev)

STACK ?= dev
DELIVERY := $(BIN)/delivery
deliver = $(DELIVERY) $(1) --stack $(STACK)

.PHONY: bootstrap
bootstrap: ## Make what the first `pulumi up` needs (PROJECT=my-project REPO=owner/name; PLAN=1: only show)
	@go -C tools/bootstrap run . -root "$(CURDIR)" -project "$(PROJECT)" -repo "$(REPO)" -stack "$(STACK)" $(if $(PLAN),-plan) $(if $(YES),-yes)

.PHONY: plan
plan: $(DELIVERY) ## Preview a stack, write the plan and the comment about it (BASE=origin/main)
	@$(call deliver,plan) --base "$(BASE)" --images "$(IMAGES)"

.PHONY: comment
comment: $(DELIVERY) ## Write that comment to a pull request (PR=7)
	@$(call deliver,comment) --pull-request "$(or $(PR),0)"

.PHONY: deploy
deploy: $(DELIVERY) ## Bring a stack up (PLAN=.cache/delivery/dev/plan.json: exactly as planned)
	@$(call deliver,deploy) --plan "$(PLAN)"

.PHONY: drift
drift: $(DELIVERY) ## Find what was changed behind Pulumi's back (ISSUE=1: keep an issue about it)
	@$(call deliver,drift) $(if $(ISSUE),--issue)

.PHONY: recover
recover: $(DELIVERY) ## Settle what an update that was killed left in the state, before the next one
	@$(call deliver,recover)

.PHONY: rollback
rollback: $(DELIVERY) ## List deployments, show what going back changes (TO=3), do it (YES=1)
	@$(call deliver,rollback) $(if $(TO),--to $(TO)) $(if $(YES),--yes)

.PHONY: review
review: $(DELIVERY) ## Bring up a stack for a pull request, like STACK (PR=7, COMMENT=1)
	@$(call deliver,review) --pull-request "$(or $(PR),0)" $(if $(COMMENT),--comment)

.PHONY: review-down
review-down: $(DELIVERY) ## Destroy and remove the stack of a pull request (PR=7)
	@$(call deliver,review-down) --pull-request "$(or $(PR),0)" $(if $(COMMENT),--comment)

.PHONY: teardown
teardown: $(DELIVERY) ## Destroy a stack, once both confirmations are given that it asks for
	@$(call deliver,teardown) --confirm-stack "$(CONFIRM_STACK)" --confirm-address "$(CONFIRM_ADDRESS)"

.PHONY: stacks
stacks: $(DELIVERY) ## Print the stacks that CI delivers, as JSON (BASE=origin/main: that a change touches)
	@$(DELIVERY) stacks --base "$(BASE)"

.PHONY: identity
identity: $(DELIVERY) ## Print who a job logs in as (ROLE=deployer), and where the state is
	@$(call deliver,identity) --as "$(or $(ROLE),previewer)"

.PHONY: $(DELIVERY)
$(DELIVERY):
	@cd tools/delivery && CGO_ENABLED=0 go build -trimpath -buildvcs=false -o ../../$(BIN)/ .
