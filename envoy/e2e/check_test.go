package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/grpc-edge/envoy"
)

// TestCheck asks Envoy about a valid configuration, without ports or certificates of its
// own, and checks that the message of a program that refuses it is passed on.
func TestCheck(t *testing.T) {
	t.Parallel()
	config := libraryConfig(t)
	config.REST, config.DrainFile = true, "/run/drain/pressure"
	if err := envoy.Check(t.Context(), envoyBinary(t), config); err != nil {
		t.Errorf("Envoy refuses the configuration: %v", err)
	}
	refusing := filepath.Join(t.TempDir(), "envoy")
	script := "#!/bin/sh\necho '[2026-01-02 03:04:05.678][1][critical][main] [source/server/server.cc:1] no such filter' >&2\nexit 1\n"
	if err := os.WriteFile(refusing, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	err := envoy.Check(t.Context(), refusing, config)
	if err == nil || !strings.Contains(err.Error(), "exit status 1):\nno such filter") {
		t.Errorf("Check() = %v, want the message of the program", err)
	}
	config.Backends[0].Name = "_"
	if err := envoy.Check(t.Context(), refusing, config); err == nil || !strings.Contains(err.Error(), "Backends[0].Name") {
		t.Errorf("Check() of what is wrong anyway = %v", err)
	}
}
