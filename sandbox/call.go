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

	"example.com/grpc-edge/sandbox/pulumi/stack"
)

// Files that the stack's commands may name, written to the state folder, and the
// outputs that they hold.
const (
	caFile       = "ca.pem"
	protosetFile = "services.protoset" // with the output protoset only: the edge may answer reflection instead
)

// commands holds the stack's ready-made commands. They name the program and its files by their
// paths on this machine, relative to the repository.
type commands struct {
	// GRPC holds the grpcurl commands, sorted by method.
	GRPC []string
	// REST holds the curl commands, sorted by route. It is empty if the edge serves no REST.
	REST []string
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

// commandsOf returns the commands from the stack's outputs, with the local paths of their files
// and program; state is the name of the state folder.
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

// sample is a request that the stack has ready for a method, and what came back.
type sample struct{ method, command string }

// call runs the command once, as a person would paste it, and returns its answer: JSON, or
// the gRPC status that the service gives. An error means that no answer came.
func (c sample) call(ctx context.Context, st stack.Stack) (string, error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", strings.Replace(c.command, "grpcurl ", "grpcurl -max-time 5 ", 1))
	cmd.Dir = st.Tools.Root
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > statusOffset {
		return strings.Join(strings.Fields(strings.TrimPrefix(stderr.String(), "ERROR:")), " "), nil
	}
	if err != nil {
		return "", fmt.Errorf("calling %s: %w: %s", c.method, err, bytes.TrimSpace(stderr.Bytes()))
	}
	var compact bytes.Buffer
	if json.Compact(&compact, stdout.Bytes()) != nil {
		return strings.TrimSpace(stdout.String()), nil
	}
	return compact.String(), nil
}

// statusOffset is the number that grpcurl adds to a gRPC status to make its exit code
// (statusCodeOffset in grpcurl's main package).
const statusOffset = 64

// call calls the method that the user names, with the given data or with the stack's sample.
// Without a method it calls the samples that change nothing.
func call(ctx context.Context, s sandbox, args []string) error {
	st, err := s.stack()
	if err != nil {
		return err
	}
	e, err := readEdge(ctx, st)
	if err != nil {
		return err
	}
	if len(args) == 0 || args[0] == "" {
		answers, err := e.callSamples(ctx, st)
		fmt.Print(answers)
		return err
	}
	method, data := strings.Replace(args[0], "/", ".", 1), "{}"
	if dot := strings.LastIndexByte(method, '.'); dot > 0 {
		method = method[:dot] + "/" + method[dot+1:]
	}
	if len(args) > 1 && args[1] != "" {
		data = args[1]
	} else if ready, ok := e.ready[method]; ok {
		cmd := exec.CommandContext(ctx, "sh", "-c", ready)
		cmd.Dir = st.Tools.Root
		return attach(cmd)
	}
	e.authority = e.authorityOf(method)
	return attach(e.grpcurl(ctx, st, "-d", data, e.target(), method)) // DATA=@ reads standard input
}

// printGreeting prints the end of `up`: what was answered and what to type next.
func printGreeting(ctx context.Context, st stack.Stack, replies string) error {
	outputs, err := st.Outputs(ctx)
	if err != nil {
		return err
	}
	ready := commandsOf(outputs, filepath.Base(st.State.Dir))
	fmt.Printf("\nThe services answer over TLS through the load balancer's address:\n\n%s\n%s"+
		"Next: `make status`, `make logs`, `make preview` after a change, `make down` to remove everything.\n", indent(replies), ready)
	return nil
}

// String returns the commands below headings, for a person to copy from.
func (c commands) String() string {
	var text string
	if len(c.GRPC) > 0 {
		text = "Call them yourself by gRPC:\n\n" + indent(strings.Join(c.GRPC, "\n")) + "\n"
	}
	if len(c.REST) > 0 {
		text += "Or by REST:\n\n" + indent(strings.Join(c.REST, "\n")) + "\n"
	}
	return text
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
}
