package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// database writes a database of vulnerabilities (go.dev, "Go Vulnerability Database API") and
// returns its URL. It has one vulnerability of gRPC, in a function that every service calls,
// or none.
func database(t *testing.T, vulnerable bool) string {
	t.Helper()
	const id, module, modified = "GO-2099-0001", "google.golang.org/grpc", "2026-01-01T00:00:00Z"
	type object = map[string]any
	files := map[string]any{"index/db.json": object{"modified": modified}, "index/modules.json": []object{}, "index/vulns.json": []object{}}
	if vulnerable {
		files["index/modules.json"] = []object{{"path": module, "vulns": []object{{"id": id, "modified": modified}}}}
		files["index/vulns.json"] = []object{{"id": id, "modified": modified}}
		files["ID/"+id+".json"] = object{
			"schema_version": "1.3.1", "id": id, "modified": modified, "published": modified, "details": "made up for a test",
			"database_specific": object{"url": "https://example.com/" + id},
			"affected": []object{{
				"package":            object{"name": module, "ecosystem": "Go"},
				"ranges":             []object{{"type": "SEMVER", "events": []object{{"introduced": "0"}}}},
				"ecosystem_specific": object{"imports": []object{{"path": module, "symbols": []string{"NewServer"}}}},
			}},
		}
	}
	dir := t.TempDir()
	for name, content := range files {
		text, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return "file://" + dir
}

// TestVulnerabilities checks for vulnerabilities with its own database. The public one may
// have none for this repository, and then a broken check would look like a working one.
func TestVulnerabilities(t *testing.T) {
	root := checkout{dir: ".."}
	root.must(t.Context(), t, "make", "vulnerabilities", "SHIPPED=services/echo", "DB="+database(t, false))
	out, err := root.run(t.Context(), t, "make", "vulnerabilities", "SHIPPED=services/echo", "DB="+database(t, true))
	if err == nil || !strings.Contains(out, "GO-2099-0001") || !strings.Contains(out, "calls grpc.NewServer") {
		t.Errorf("a vulnerability that is called: %v, want an error that names it and the call", err)
	}
}
