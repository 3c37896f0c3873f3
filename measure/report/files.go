package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// Template parses the text of a page. It can format dates and durations.
func Template(text string) *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{"date": Date, "duration": Duration}).Parse(text))
}

// Execute returns the text of a page.
func Execute(page *template.Template, data any) (string, error) {
	var text strings.Builder
	err := page.Execute(&text, data)
	return text.String(), err
}

// WriteFiles writes texts, by file name, into a folder.
func WriteFiles(dir string, files map[string]string) error {
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Load reads results from a file that Save wrote. Without the file they are empty.
func Load[T any](file string) (results T, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return results, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &results)
	}
	if err != nil {
		err = fmt.Errorf("reading %s: %w", file, err)
	}
	return results, err
}

// JSON returns results as Save writes them.
func JSON(results any) (string, error) {
	text, err := json.MarshalIndent(results, "", "\t")
	return string(text) + "\n", err
}

// Save writes results to a file.
func Save(file string, results any) error {
	text, err := JSON(results)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}
