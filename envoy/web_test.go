package envoy_test

import (
	"fmt"
	"strings"
	"testing"

	"example.com/grpc-edge/envoy"
)

func TestOrigins(t *testing.T) {
	t.Parallel()
	good := []string{
		"https://app.example.com", "http://localhost:3000", "https://app.example.com:8443", "http://127.0.0.1", "https://[2001:db8::1]:1",
	}
	bad := []string{
		"", "*", "null", "app.example.com", "https://", "https://*.example.com", "https://app.example.com/", "https://app.example.com/path",
		"https://App.example.com", "HTTPS://app.example.com", "https://app.example.com:443", "http://app.example.com:80",
		"https://app.example.com:", "https://app.example.com:65536", "https://user@app.example.com", "ftp://app.example.com",
		"https://app.example.com?q", "https://app.example.com#f", "https://app.example.com.:", "https://a b",
	}
	config := tutorial(t)
	config.Origins = append(good, bad...)
	config.Origins = append(config.Origins, good[0])
	_, err := envoy.Files(config)
	if err == nil {
		t.Fatal("Files() gave no error")
	}
	for i, origin := range config.Origins {
		refused := strings.Contains(err.Error(), fmt.Sprintf("\nOrigins[%d]: %q must be an origin", i, origin))
		if want := i >= len(good) && i < len(good)+len(bad); refused != want {
			t.Errorf("Origins[%d] %q is refused: %t, want %t", i, origin, refused, want)
		}
	}
	if last := fmt.Sprintf("Origins[%d]: %q is already Origins[0]", len(config.Origins)-1, good[0]); !strings.Contains(err.Error(), last) {
		t.Errorf("Files() = %q, want also %q", err, last)
	}
}
