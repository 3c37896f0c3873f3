package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// digest is what `pulumi preview --json` prints, as far as it is read here.
type digest struct {
	Steps       []step         `json:"steps"`
	Diagnostics []diagnostic   `json:"diagnostics"`
	Summary     map[string]int `json:"changeSummary"`
}

// step is what would be done to one resource.
type step struct {
	Op             string   `json:"op"`
	URN            string   `json:"urn"`
	Old            *state   `json:"oldState"`
	New            *state   `json:"newState"`
	ReplaceReasons []string `json:"replaceReasons"`
}

// state is a resource before or after.
type state struct {
	Type    string         `json:"type"`
	Custom  bool           `json:"custom"`
	Protect bool           `json:"protect"`
	Inputs  map[string]any `json:"inputs"`
}

type diagnostic struct {
	URN      string `json:"urn"`
	Message  string `json:"message"`
	Severity string `json:"severity"`
}

// readDigest reads one preview. Of a preview that ended before the program ran,
// such as for a config key of the wrong type, there is none: log, what Pulumi wrote
// to its standard error, says why.
func readDigest(r io.Reader, log string) (digest, error) {
	var d digest
	err := json.NewDecoder(r).Decode(&d)
	if errors.Is(err, io.EOF) && strings.TrimSpace(log) != "" {
		return digest{Diagnostics: []diagnostic{{Severity: "error", Message: log}}}, nil
	}
	if errors.Is(err, io.EOF) {
		return d, errors.New("reading the preview: there is none; give what Pulumi wrote to its standard error with -log FILE")
	}
	if err != nil {
		return d, fmt.Errorf("reading the preview, which must be what `pulumi preview --json` prints: %w", err)
	}
	return d, nil
}

// changes are the steps that change something real: a component is only a name
// for what is in it.
func (d digest) changes() []step {
	var steps []step
	for _, s := range d.Steps {
		if s.Op != "same" && s.Op != "read" && s.state().Custom && !strings.HasPrefix(s.state().Type, "pulumi:providers:") {
			steps = append(steps, s)
		}
	}
	slices.SortFunc(steps, func(a, b step) int { return strings.Compare(a.rank()+a.URN, b.rank()+b.URN) })
	return steps
}

// errors are the messages that end a preview.
func (d digest) errors() []string {
	var messages []string
	for _, message := range d.Diagnostics {
		if message.Severity == "error" {
			messages = append(messages, strings.TrimSpace(message.Message))
		}
	}
	return messages
}

// state is what is known of the resource: as it will be, or else as it was.
func (s step) state() state {
	for _, known := range []*state{s.New, s.Old} {
		if known != nil {
			return *known
		}
	}
	return state{}
}

// The operations in the order of how much a reviewer should care.
var operations = []struct{ op, word, sign string }{
	{"delete", "delete", "-"},
	{"replace", "replace", "±"},
	{"update", "update", "~"},
	{"create", "create", "+"},
	{"import", "import", "="},
}

func (s step) rank() string {
	for i, operation := range operations {
		if operation.op == s.Op {
			return fmt.Sprint(i)
		}
	}
	return "9"
}

func (s step) sign() string {
	for _, operation := range operations {
		if operation.op == s.Op {
			return operation.sign
		}
	}
	return "?"
}

// name is how a person calls the resource: its kind, and its name in the program.
func (s step) name() string {
	return kind(s.state().Type) + " " + s.URN[strings.LastIndex(s.URN, "::")+2:]
}

// token is gcp:container/cluster:Cluster or kubernetes:core/v1:Service.
var token = regexp.MustCompile(`^([^:]+):([^:]+):([^:]+)$`)

func kind(typ string) string {
	if parts := token.FindStringSubmatch(typ); parts != nil {
		return parts[3]
	}
	return typ
}
