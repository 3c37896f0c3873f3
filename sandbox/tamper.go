package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/pulumi/gcpprovider"
)

// tamper changes or deletes an object of the emulated cloud without Pulumi.
func tamper(ctx context.Context, s sandbox, words []string) error {
	st, err := s.stack()
	if err != nil {
		return err
	}
	o, err := s.object(words[0])
	if err != nil {
		return err
	}
	changes, err := parseChanges(words[1:])
	if err != nil {
		return err
	}
	connection, err := dialCloud(st)
	if err != nil {
		return err
	}
	defer connection.Close()
	return gcpprovider.Tamper(ctx, pulumirpc.NewResourceProviderClient(connection), o, changes)
}

// object returns the object with this full name, or the only object whose full name contains it.
func (s sandbox) object(name string) (gcp.Object, error) {
	cloud, err := s.cloud()
	if err != nil {
		return gcp.Object{}, err
	}
	var found []string
	for _, full := range cloud.Objects() {
		if full == name {
			found = []string{full}
			break
		}
		if strings.Contains(full, name) {
			found = append(found, full)
		}
	}
	if len(found) != 1 {
		return gcp.Object{}, fmt.Errorf("%d objects have %q in their names, not exactly one; `sandbox objects` lists all", len(found), name)
	}
	_, relative, _ := strings.Cut(strings.TrimPrefix(found[0], "//"), "/")
	return cloud.Get(relative)
}

// parseChanges reads KEY=VALUE, where VALUE is JSON or plain text. The word delete, alone,
// returns no changes.
func parseChanges(words []string) (map[string]any, error) {
	if slices.Equal(words, []string{"delete"}) {
		return nil, nil
	}
	changes := map[string]any{}
	for _, word := range words {
		key, text, ok := strings.Cut(word, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%q must be KEY=VALUE, such as nodeCount=3, or delete alone", word)
		}
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			value = text
		}
		changes[key] = value
	}
	return changes, nil
}
