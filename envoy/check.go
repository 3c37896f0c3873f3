package envoy

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// logPrefix matches Envoy's prefix of each message: time, thread, level, logger, place.
var logPrefix = regexp.MustCompile(`^(\[[^\]]*\] ?)+`)

// Check asks Envoy itself, the program at the path binary, whether it would start with
// the configuration. It opens no port and needs no certificate. The error contains
// Envoy's own message.
func Check(ctx context.Context, binary string, config Config) error {
	dir, err := os.MkdirTemp("", "envoy-")
	if err != nil {
		return fmt.Errorf("creating a folder for Envoy's configuration: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	config.ConfigDir, config.CertificateDir = dir, filepath.Join(dir, "tls")
	if config.DrainFile != "" {
		config.DrainFile = filepath.Join(dir, "drain") // Envoy watches its folder
	}
	files, err := Files(config)
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("writing Envoy's configuration: %w", err)
		}
	}
	args := append(Args(config), "--mode", "validate")
	output, err := exec.CommandContext(ctx, binary, args...).CombinedOutput()
	if err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	for i := range lines {
		lines[i] = logPrefix.ReplaceAllString(lines[i], "")
	}
	return fmt.Errorf("%s would not start with the configuration (%w):\n%s", binary, err, strings.Join(lines, "\n"))
}
