package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const isc = `ISC License

Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted, provided that the above copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.
`

// zero is a licence that is not in the list: it has no conditions at all.
var zero = strings.Replace(strings.Replace(isc, ", provided that the above copyright notice and this permission notice appear in all copies", "", 1), "ISC License\n", "", 1)

func TestLicences(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		files map[string]string
		want  []string
		err   string
	}{
		"allowed":           {map[string]string{"LICENSE": isc, "main.go": "package main"}, []string{"ISC"}, ""},
		"another name":      {map[string]string{"COPYING.txt": isc}, []string{"ISC"}, ""},
		"of documents":      {map[string]string{"LICENSE": isc, "LICENSE.docs": "something else"}, []string{"ISC"}, ""},
		"none":              {map[string]string{"README.md": isc}, nil, "has no licence"},
		"a text of its own": {map[string]string{"LICENSE": "Ask me, and I may allow it, or not, as I like."}, nil, "LICENSE is no licence that is known"},
		"not allowed":       {map[string]string{"LICENSE": zero}, nil, "has the licence 0BSD"},
		"one not allowed":   {map[string]string{"LICENSE": isc, "LICENSE.other": zero}, nil, "0BSD"},
	}
	for name, test := range tests {
		dir := t.TempDir()
		for file, text := range test.files {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := module{Dir: dir}.licences()
		if !slices.Equal(got, test.want) || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: got %q (%v), want %q and %q", name, got, err, test.want, test.err)
		}
	}
}

// TestModulesOf finds the modules of others that go into this very program.
func TestModulesOf(t *testing.T) {
	t.Parallel()
	all, err := modulesOf(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all["github.com/google/licensecheck@v0.3.1"].Dir == "" {
		t.Errorf("got %v, want licensecheck and where it is", all)
	}
	if _, err := modulesOf(t.TempDir()); err == nil {
		t.Error("a folder without a module is no error")
	}
}
