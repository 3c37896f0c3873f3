package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"grpc-edge/sandbox/stack"
)

// Files that the stack's grpcurl commands name, written to the state folder.
const (
	caFile       = "ca.pem"
	protosetFile = "services.protoset"
)

// commands are the stack's ready-made grpcurl commands, sorted, with the files
// and the program at the places that they have here, as seen from the repository.
func commands(ctx context.Context, st stack.Stack) ([]string, error) {
	outputs, err := st.Outputs(ctx)
	if err != nil {
		return nil, err
	}
	ca, _ := outputs["caCertificate"].(string)
	text, _ := outputs["protoset"].(string)
	protoset, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("reading the output protoset: %w", err)
	}
	for name, content := range map[string][]byte{caFile: []byte(ca), protosetFile: protoset} {
		if err := os.WriteFile(filepath.Join(st.State.Dir, name), content, 0o644); err != nil {
			return nil, err
		}
	}
	ready, _ := outputs["grpcurl"].(map[string]any)
	if len(ready) == 0 {
		return nil, fmt.Errorf("the stack has no output grpcurl: is it deployed? Try `make up`")
	}
	state := filepath.Base(st.State.Dir)
	place := strings.NewReplacer(
		"grpcurl ", ".cache/bin/grpcurl ",
		" "+caFile+" ", " "+state+"/"+caFile+" ", " "+protosetFile+" ", " "+state+"/"+protosetFile+" ")
	var list []string
	for _, method := range slices.Sorted(maps.Keys(ready)) {
		list = append(list, place.Replace(fmt.Sprint(ready[method])))
	}
	return list, nil
}

// withMessage puts message into every text field of a command's request.
func withMessage(command, message string) (string, error) {
	before, rest, found := strings.Cut(command, "-d '")
	request, after, closed := strings.Cut(rest, "'")
	if !found || !closed {
		return "", fmt.Errorf("reading the command %q: it has no -d '…'", command)
	}
	fields := map[string]string{}
	if err := json.Unmarshal([]byte(request), &fields); err != nil {
		return "", fmt.Errorf("reading the request of %q: %w", command, err)
	}
	for name := range fields {
		fields[name] = message
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(fields); err != nil {
		return "", err
	}
	// Within single quotes the shell knows one special character, the quote itself.
	quoted := strings.ReplaceAll(strings.TrimSpace(text.String()), "'", `'\''`)
	return before + "-d '" + quoted + "'" + after, nil
}

// callAll runs the commands and returns what they print, each below its method.
func callAll(ctx context.Context, st stack.Stack, message string) (string, error) {
	list, err := commands(ctx, st)
	if err != nil {
		return "", err
	}
	var replies strings.Builder
	for _, command := range list {
		command, err := withMessage(command, message)
		if err != nil {
			return "", err
		}
		// The shell runs exactly what a person would paste.
		cmd := exec.CommandContext(ctx, "sh", "-c", strings.Replace(command, "grpcurl ", "grpcurl -max-time 5 ", 1))
		cmd.Dir = st.Tools.Root
		out, err := cmd.CombinedOutput()
		method := command[strings.LastIndexByte(command, ' ')+1:]
		if err != nil {
			return "", fmt.Errorf("calling %s: %w: %s", method, err, bytes.TrimSpace(out))
		}
		var compact bytes.Buffer
		if json.Compact(&compact, out) != nil {
			compact.Write(bytes.TrimSpace(out))
		}
		fmt.Fprintf(&replies, "%-20s %s\n", method, compact.String())
	}
	return replies.String(), nil
}

// callUntilReady repeats the calls until each is answered.
func callUntilReady(ctx context.Context, st stack.Stack, message string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		replies, err := callAll(ctx, st, message)
		if err == nil {
			return replies, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("traffic does not flow after %s: %w; look at `make status` and `make logs`", readyTimeout, err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func call(ctx context.Context, s sandbox, args []string) error {
	st, err := s.stack()
	if err != nil {
		return err
	}
	message := "hello"
	if len(args) > 0 {
		message = args[0]
	}
	replies, err := callAll(ctx, st, message)
	if err != nil {
		return err
	}
	fmt.Print(replies)
	return nil
}

// printGreeting ends `up`: what was answered and what to type next.
func printGreeting(ctx context.Context, st stack.Stack, replies string) error {
	list, err := commands(ctx, st)
	if err != nil {
		return err
	}
	fmt.Printf("\nBoth services answer over TLS through the load balancer's address:\n\n%s\nCall them yourself:\n\n", indent(replies))
	for _, c := range list {
		fmt.Println("  " + c)
	}
	fmt.Print("\nNext: `make status`, `make logs`, `make preview` after a change, `make down` to remove everything.\n")
	return nil
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
}
