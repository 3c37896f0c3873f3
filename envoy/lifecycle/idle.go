package main

import "os"

// idleClients is the path of the file by which Envoy has clients leave that make no calls: DrainFile of
// package envoy. "" is for none. Envoy notices when another file is renamed to it
// (docs/root/api-v3/extensions/resource_monitors/injected_resource/v3/injected_resource.proto).
type idleClients string

// stay has them stay. Until the file exists, Envoy keeps trying to read it.
func (f idleClients) stay() error { return f.write("0") }

// leave has Envoy send GOAWAY to those that have made no call for 2 s. It closes their connections 5 s
// later, unless they do it themselves.
func (f idleClients) leave() error { return f.write("1") }

func (f idleClients) write(pressure string) error {
	if f == "" {
		return nil
	}
	next := string(f) + ".new"
	if err := os.WriteFile(next, []byte(pressure), 0o644); err != nil {
		return err
	}
	return os.Rename(next, string(f))
}
