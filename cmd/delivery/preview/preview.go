// Package preview turns the output of `pulumi preview --json` into a text for reviewers:
// a verdict, what deserves attention first, and every change, folded.
//
// The text contains no secrets: Pulumi masks those it knows, and this package masks
// what looks like one.
package preview

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Preview holds the parts of the output of `pulumi preview --json` that are read here.
type Preview struct {
	Steps       []step       `json:"steps"`
	Diagnostics []diagnostic `json:"diagnostics"`
}

// step describes what would be done to one resource.
type step struct {
	Op             string   `json:"op"`
	URN            string   `json:"urn"`
	Old            *state   `json:"oldState"`
	New            *state   `json:"newState"`
	ReplaceReasons []string `json:"replaceReasons"`
}

// state describes a resource before or after a change.
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

// Read reads one preview. A preview that ended before the program ran, such as for
// a config key of the wrong type, has no JSON. The result then has log, which is Pulumi's
// standard error, as its only diagnostic.
func Read(r io.Reader, log string) (Preview, error) {
	var p Preview
	err := json.NewDecoder(r).Decode(&p)
	if errors.Is(err, io.EOF) && strings.TrimSpace(log) != "" {
		return Preview{Diagnostics: []diagnostic{{Severity: "error", Message: log}}}, nil
	}
	if errors.Is(err, io.EOF) {
		return p, errors.New("reading the preview: there is none, and Pulumi wrote nothing to its standard error")
	}
	if err != nil {
		return p, fmt.Errorf("reading the preview, which must be what `pulumi preview --json` prints: %w", err)
	}
	return p, nil
}

// AddViolations adds the violations of mandatory policies to the errors. It reads the engine's
// events, one a line (apitype.EngineEvent of the Pulumi SDK).
func (p *Preview) AddViolations(events io.Reader) error {
	decoder := json.NewDecoder(events)
	for {
		var event struct {
			Policy *struct {
				URN     string `json:"resourceUrn"`
				Message string `json:"message"`
				Name    string `json:"policyName"`
				Level   string `json:"enforcementLevel"`
			} `json:"policyEvent"`
		}
		if err := decoder.Decode(&event); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading the events of the preview: %w", err)
		}
		if violation := event.Policy; violation != nil && violation.Level == "mandatory" {
			p.Diagnostics = append(p.Diagnostics, diagnostic{
				URN: violation.URN, Severity: "error", Message: "policy " + violation.Name + ": " + violation.Message,
			})
		}
	}
}

// still lists the operations that change nothing.
var still = []string{"same", "read", "refresh"}

// changes returns the steps that change something real. A component is not real: it only
// groups resources.
func (p Preview) changes() []step {
	var steps []step
	for _, s := range p.Steps {
		if !slices.Contains(still, s.Op) && s.state().Custom && !strings.HasPrefix(s.state().Type, "pulumi:providers:") {
			steps = append(steps, s)
		}
	}
	slices.SortFunc(steps, func(a, b step) int { return strings.Compare(a.rank()+a.URN, b.rank()+b.URN) })
	return steps
}

// Changed reports whether anything real would change.
func (p Preview) Changed() bool { return len(p.changes()) > 0 }

// Failed reports whether the preview ended with an error.
func (p Preview) Failed() bool { return len(p.errors()) > 0 }

// reference matches an image reference and captures its name and its digest.
var reference = regexp.MustCompile(`([^/]+)@(sha256:[0-9a-f]{64})$`)

// Images returns the digests of the images that pods will run, by name. With a canary there
// are two. Unchanged pods are included only if the preview was made with --show-sames.
func (p Preview) Images() map[string][]string {
	images := map[string][]string{}
	for _, s := range p.Steps {
		if s.New == nil || !strings.HasPrefix(s.New.Type, "kubernetes:apps/") {
			continue
		}
		inputs := map[string]string{}
		flatten(inputs, "", s.New.Inputs)
		for path, value := range inputs {
			if found := reference.FindStringSubmatch(value); found != nil && strings.HasSuffix(path, ".image") {
				images[found[1]] = append(images[found[1]], found[2])
			}
		}
	}
	return images
}

// errors returns the messages of errors that end a preview.
func (p Preview) errors() []string {
	var messages []string
	for _, message := range p.Diagnostics {
		if message.Severity == "error" {
			messages = append(messages, strings.TrimSpace(message.Message))
		}
	}
	return messages
}

// state returns the resource as it will be, or else as it was.
func (s step) state() state {
	for _, known := range []*state{s.New, s.Old} {
		if known != nil {
			return *known
		}
	}
	return state{}
}

// The operations, the most important for a reviewer first.
var operations = []struct{ op, sign string }{
	{"delete", "-"},
	{"replace", "±"},
	{"update", "~"},
	{"create", "+"},
	{"import", "="},
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

// name returns a readable name of the resource: its kind, and its name in the program.
func (s step) name() string {
	return kind(s.state().Type) + " " + s.URN[strings.LastIndex(s.URN, "::")+2:]
}

// token matches a type such as gcp:container/cluster:Cluster or kubernetes:core/v1:Service.
var token = regexp.MustCompile(`^([^:]+):([^:]+):([^:]+)$`)

func kind(typ string) string {
	if parts := token.FindStringSubmatch(typ); parts != nil {
		return parts[3]
	}
	return typ
}
