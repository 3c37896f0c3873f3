# What the benchmark compares with; included by the root Makefile.

BENCH := .cache/bench

BENCHED := .cache/bin/envoy .cache/bin/traefik $(BENCH)/packages.stamp

.cache/bin/envoy:
	@$(MAKE) --no-print-directory tools

.cache/bin/traefik: tools/traefik/go.mod tools/traefik/go.sum
	@echo "Building Traefik (some minutes the first time)"
	@cd tools/traefik && GOWORK=off CGO_ENABLED=0 go build -trimpath -o "$(CURDIR)/$@" \
		-ldflags "-s -w -X github.com/traefik/traefik/v3/pkg/version.Version=$$(sed -n 's|.*github.com/traefik/traefik/v3 v\([0-9.]*\).*|\1|p' go.mod)" tool
	@touch $@

# nginx and HAProxy of the distribution, with what they need and the machine lacks:
# unpacked and not installed, and with package lists apart from the machine's.
$(BENCH)/packages.stamp: bench/bench.mk
	@echo "Fetching nginx and HAProxy"
	@rm -rf $(BENCH)/packages $(BENCH)/root
	@mkdir -p $(BENCH)/packages/lists/partial $(BENCH)/packages/archives/partial $(BENCH)/root
	@apt() { apt-get -qq -o Dir::State::Lists="$(CURDIR)/$(BENCH)/packages/lists" -o Dir::Cache="$(CURDIR)/$(BENCH)/packages" \
		-o Dir::Cache::Archives="$(CURDIR)/$(BENCH)/packages/archives" -o APT::Sandbox::User=root -o Acquire::Retries=3 "$$@"; }; \
		apt update && apt install --yes --download-only --no-install-recommends nginx haproxy >/dev/null
	@find $(BENCH)/packages/archives -name '*.deb' -exec dpkg-deb -x {} $(BENCH)/root \;
	@touch $@
