package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"example.com/grpc-edge/sandbox/stack"
)

// Files that the stack's commands may name, written to the state folder, and the
// outputs that they hold.
const (
	caFile       = "ca.pem"
	protosetFile = "services.protoset" // with the output protoset only: the edge may answer reflection instead
)

// commands are the stack's ready-made commands, with the files and the program at
// the places that they have here, as seen from the repository.
type commands struct {
	// GRPC are grpcurl's, sorted by method.
	GRPC []string
	// REST are curl's, sorted by route; none if the edge serves no REST.
	REST []string
}

// readCommands reads the commands and writes the files that they name.
func readCommands(ctx context.Context, st stack.Stack) (commands, error) {
	outputs, err := st.Outputs(ctx)
	if err != nil {
		return commands{}, err
	}
	if err := writeFiles(outputs, st.State.Dir); err != nil {
		return commands{}, err
	}
	c := commandsOf(outputs, filepath.Base(st.State.Dir))
	if len(c.GRPC) == 0 {
		return commands{}, errors.New("the stack has no output grpcurl: is it deployed? Try `make up`")
	}
	return c, nil
}

func writeFiles(outputs map[string]any, dir string) error {
	ca, _ := outputs["caCertificate"].(string)
	if err := os.WriteFile(filepath.Join(dir, caFile), []byte(ca), 0o644); err != nil {
		return err
	}
	text, given := outputs["protoset"].(string)
	if !given {
		return nil
	}
	protoset, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("reading the output protoset: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, protosetFile), protoset, 0o644)
}

// commandsOf puts the files and the program of the outputs' commands at their
// places; state is the name of the state folder.
func commandsOf(outputs map[string]any, state string) commands {
	place := strings.NewReplacer(" "+caFile+" ", " "+state+"/"+caFile+" ", " "+protosetFile+" ", " "+state+"/"+protosetFile+" ")
	sorted := func(output, prefix string) []string {
		ready, _ := outputs[output].(map[string]any)
		var list []string
		for _, key := range slices.Sorted(maps.Keys(ready)) {
			list = append(list, prefix+place.Replace(fmt.Sprint(ready[key])))
		}
		return list
	}
	return commands{GRPC: sorted("grpcurl", ".cache/bin/"), REST: sorted("curl", "")}
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
	ready, err := readCommands(ctx, st)
	if err != nil {
		return "", err
	}
	var replies strings.Builder
	for _, command := range ready.GRPC {
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
	ready, err := readCommands(ctx, st)
	if err != nil {
		return err
	}
	fmt.Printf("\nThe services answer over TLS through the load balancer's address:\n\n%s\n%s"+
		"Next: `make status`, `make logs`, `make preview` after a change, `make down` to remove everything.\n", indent(replies), ready)
	return nil
}

// String is the commands below headings, for a person to copy from.
func (c commands) String() string {
	text := "Call them yourself by gRPC:\n\n" + indent(strings.Join(c.GRPC, "\n")) + "\n"
	if len(c.REST) > 0 {
		text += "Or by REST:\n\n" + indent(strings.Join(c.REST, "\n")) + "\n"
	}
	return text
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
}
