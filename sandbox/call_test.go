package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"testing"
)

func TestWithMessage(t *testing.T) {
	t.Parallel()
	const command = `printf %s -d '{"content":"hello"}'`
	for _, message := range []string{"hello", "it's", `"quoted"`, "$HOME `id` \\", "a<b>&c", "naïve 👩‍👩‍👧", ""} {
		t.Run(message, func(t *testing.T) {
			t.Parallel()
			got, err := withMessage(command, message)
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("sh", "-c", got).Output()
			if err != nil {
				t.Fatal(err)
			}
			var request struct{ Content string }
			// printf prints its arguments one after the other: -d, then the request.
			if err := json.Unmarshal(bytes.TrimPrefix(out, []byte("-d")), &request); err != nil {
				t.Fatalf("the shell made %s of %s: %v", out, got, err)
			}
			if request.Content != message {
				t.Errorf("the shell made %s of %s, want the message %q", out, got, message)
			}
		})
	}
}

func TestWithMessageRefusesOtherCommands(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"grpcurl list", "grpcurl -d 'x", "grpcurl -d '[1]' a b"} {
		if got, err := withMessage(command, "m"); err == nil {
			t.Errorf("withMessage(%q) = %q, want an error", command, got)
		}
	}
}
