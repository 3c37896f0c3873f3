package envoy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/grpc-edge/envoy"
)

func TestRoutesRefuse(t *testing.T) {
	t.Parallel()
	canary := func(change func(*envoy.Canary)) func(*envoy.Config) {
		return func(c *envoy.Config) {
			c.Backends[1].Canary = &envoy.Canary{Address: "canary.example"}
			change(c.Backends[1].Canary)
		}
	}
	for name, test := range map[string]struct {
		change func(*envoy.Config)
		want   string
	}{
		"canary without address":    {canary(func(c *envoy.Canary) { c.Address = "" }), `Backends[1].Canary.Address: ""`},
		"canary weight":             {canary(func(c *envoy.Canary) { c.Weight = 101 }), "Backends[1].Canary.Weight: 101"},
		"canary mirror":             {canary(func(c *envoy.Canary) { c.Mirror = 200 }), "Backends[1].Canary.Mirror: 200"},
		"canary header":             {canary(func(c *envoy.Canary) { c.Header = "X-Release" }), `Backends[1].Canary.Header: "X-Release"`},
		"canary header is path":     {canary(func(c *envoy.Canary) { c.Header = ":path" }), `Backends[1].Canary.Header: ":path"`},
		"canary header of gRPC":     {canary(func(c *envoy.Canary) { c.Header = "grpc-timeout" }), `Backends[1].Canary.Header: "grpc-timeout"`},
		"canary header of the edge": {canary(func(c *envoy.Canary) { c.Header = "x-forwarded-version" }), `Backends[1].Canary.Header: "x-forwarded-version"`},
		"canary name too long": {
			func(c *envoy.Config) {
				c.Backends[1].Name = strings.Repeat("a", 57)
				canary(func(*envoy.Canary) {})(c)
			},
			"shorten the backend's name to 56"},
		"canary name taken": {
			func(c *envoy.Config) {
				c.Backends[0].Name = "reverse-canary"
				canary(func(*envoy.Canary) {})(c)
			},
			`Backends[0].Name: "reverse-canary" is the name of the canary of Backends[1]`},
		"zone name":                   {func(c *envoy.Config) { c.Backends[0].Zones = map[string]string{"": "a.example"} }, `Backends[0].Zones: ""`},
		"zone address":                {func(c *envoy.Config) { c.Backends[0].Zones = map[string]string{"a": "a:80"} }, `Backends[0].Zones["a"]: "a:80"`},
		"page header":                 {func(c *envoy.Config) { c.PageRequestHeaders = []string{"X-Tenant"} }, `PageRequestHeaders[0]: "X-Tenant"`},
		"page header that is dropped": {func(c *envoy.Config) { c.PageRequestHeaders = []string{"user_id"} }, "set Underscores to allow as well"},
		"negative deadline":           {func(c *envoy.Config) { c.MaxDeadline = -time.Second }, "MaxDeadline: -1s"},
		"short deadline":              {func(c *envoy.Config) { c.MaxDeadline = 1 }, "MaxDeadline: 1ns"},
		"short age":                   {func(c *envoy.Config) { c.MaxConnectionAge = 1 }, "MaxConnectionAge: 1ns"},
		"relative file":               {func(c *envoy.Config) { c.DrainFile = "pressure" }, "DrainFile: \"pressure\""},
		"negative drain":              {func(c *envoy.Config) { c.DrainTime = -time.Second }, "DrainTime: -1s"},
		"part of a second":            {func(c *envoy.Config) { c.DrainTime = 1500 * time.Millisecond }, "DrainTime: 1.5s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := tutorial(t)
			test.change(&config)
			if _, err := envoy.Files(config); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Files() = %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestArgs(t *testing.T) {
	t.Parallel()
	config := tutorial(t)
	if args := envoy.Args(config); !follows(args, "--drain-time-s", "15") || slices.Contains(args, "--service-zone") {
		t.Errorf("Args() = %q, want --drain-time-s 15 and no --service-zone", args)
	}
	config.DrainTime = 20 * time.Second
	config.Backends[0].Zones = map[string]string{"zone-a": "a.example"}
	if args := envoy.Args(config); !follows(args, "--drain-time-s", "20") || !follows(args, "--service-zone", "$(ZONE)") {
		t.Errorf("Args() = %q, want --drain-time-s 20 and --service-zone $(ZONE)", args)
	}
}

// follows reports whether the value comes after the flag.
func follows(args []string, flag, value string) bool {
	i := slices.Index(args, flag)
	return i >= 0 && i+1 < len(args) && args[i+1] == value
}
