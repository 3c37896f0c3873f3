package gcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"example.com/grpc-edge/internal/wholefile"
)

// stateFile holds all objects. They share one file because an operation changes several
// objects at once, and must happen completely or not at all.
const stateFile = "state.json"

type state struct {
	Objects []*Object            `json:"objects"`
	Deleted map[string]time.Time `json:"deleted,omitempty"`
	Buried  map[string]*Object   `json:"buried,omitempty"`
}

func (c *Cloud) load() error {
	path := filepath.Join(c.dir, stateFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the emulated cloud's state: %w", err)
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("reading the emulated cloud's state from %s: %w", path, err)
	}
	maps.Copy(c.deleted, s.Deleted)
	maps.Copy(c.buried, s.Buried)
	for _, o := range s.Objects {
		o.exists = true
		c.objects[o.Name] = o
	}
	return nil
}

// save writes the objects that exist. It writes an object that is being created or deleted as
// it was before. c.mu must be held.
func (c *Cloud) save() error {
	s := state{Objects: []*Object{}, Deleted: c.deleted, Buried: c.buried}
	for _, name := range sortedNames(c.objects) {
		if o := c.objects[name]; o.exists {
			s.Objects = append(s.Objects, o)
		}
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("saving the emulated cloud's state: %w", err)
	}
	if err := wholefile.Write(filepath.Join(c.dir, stateFile), data, 0o600); err != nil {
		return fmt.Errorf("saving the emulated cloud's state: %w", err)
	}
	return nil
}

// KeyFile returns the path where the cloud keeps the key of a resource. Google never shows that key.
func (c *Cloud) KeyFile(resource string) string {
	return c.Path("keys", strings.ReplaceAll(resource, "/", "_")+".pem")
}

// KeepKey writes the file of a key.
func KeepKey(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return wholefile.Write(file, text, 0o600)
}
