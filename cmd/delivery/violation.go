package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"example.com/grpc-edge/cmd/delivery/pulumicli"
)

// resourcePlans holds the parts of a plan file about each resource (apitype.DeploymentPlanV1
// of the Pulumi SDK). State holds its outputs.
type resourcePlans struct {
	ResourcePlans map[string]struct {
		State map[string]json.RawMessage `json:"state"`
	} `json:"resourcePlans"`
}

// The marks of the engine for a value that is not known yet, and for one that is encrypted
// (resource/stack/deployment.go; Go SDK, resource.SigKey with the signature of secrets).
const (
	unknownMark = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
	secret      = "a secret"
	secretMark  = `"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270"`
)

// refusal explains why Pulumi refused the plan, if Pulumi itself did not. Pulumi names a
// property that violates the plan, but not if it is an output of the stack or of a
// component. A new preview shows the values that these outputs would have now. Secrets can't be
// compared.
func (j *job) refusal(ctx context.Context, plan string, failure error) string {
	var failed *pulumicli.Failure
	if plan == "" || !errors.As(failure, &failed) || strings.Contains(failed.Said, "error:") {
		return ""
	}
	again := j.file("again.json")
	previewed, err := j.previewed(ctx, "preview", "--json", "--save-plan", again, policyPack)
	if err != nil {
		return fmt.Sprintf("Pulumi does not say why, and a new preview did not run: %v\n", err)
	}
	if previewed.Failed() {
		return "A new preview fails, too. `make plan` says why.\n"
	}
	var planned, now resourcePlans
	if err := errors.Join(readJSON(plan, &planned), readJSON(again, &now)); err != nil {
		return fmt.Sprintf("Pulumi does not say why, and the plans can't be compared: %v\n", err)
	}
	differ := differences(planned, now)
	if len(differ) == 0 {
		return "Pulumi does not say why, and a new preview shows the same outputs. A secret among them may differ.\n"
	}
	return "These outputs are not what the plan says:\n  " + strings.Join(differ, "\n  ") + "\n"
}

// differences lists the outputs that are known in both plans and differ.
func differences(planned, now resourcePlans) []string {
	var list []string
	for _, urn := range slices.Sorted(maps.Keys(planned.ResourcePlans)) {
		other, ok := now.ResourcePlans[urn]
		if !ok {
			continue
		}
		was, is := planned.ResourcePlans[urn].State, other.State
		names := maps.Clone(was)
		if names == nil {
			names = map[string]json.RawMessage{}
		}
		maps.Copy(names, is)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if before, after := compact(was[name]), compact(is[name]); differs(before, after) {
				list = append(list, fmt.Sprintf("%s of %s: planned %s, now %s", name, urn[strings.LastIndex(urn, "::")+2:], before, after))
			}
		}
	}
	return list
}

// differs reports whether two values are known to differ. Two secrets cannot be compared:
// the same value is encrypted differently each time.
func differs(before, after string) bool {
	return before != after && !strings.Contains(before, unknownMark) && !strings.Contains(after, unknownMark)
}

func compact(value json.RawMessage) string {
	if value == nil {
		return "nothing"
	}
	var out bytes.Buffer
	if json.Compact(&out, value) != nil {
		return string(value)
	}
	if text := out.String(); !strings.Contains(text, secretMark) {
		return text
	}
	return secret
}
