package preview

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/mod/modfile"

	"example.com/grpc-edge/internal/git"
)

// History finds the commits behind an image in a clone of the repository.
type History struct {
	// Root is the folder of the clone. Base is the commit that the changes are compared
	// with. Without Base, no commit is listed.
	Root, Base string
}

// mostCommits is the number of commits listed for an image. Further ones are counted.
const mostCommits = 10

// imageFolders lists the folders that may hold the program of an image, by its name.
var imageFolders = []string{"services", "envoy"}

// Commits lists the commits since the base that touched the image's program or one of the
// modules in this repository that it is built from.
func (h History) Commits(image string) []string {
	if h.Base == "" {
		return nil
	}
	for _, folder := range imageFolders {
		dir := filepath.Join(folder, image)
		if _, err := os.Stat(filepath.Join(h.Root, dir)); err != nil {
			continue
		}
		lines, err := h.log(h.sources(dir))
		if err != nil {
			return []string{"the commits are not known: " + escape(err.Error())}
		}
		return lines
	}
	return nil
}

func (h History) log(folders []string) ([]string, error) {
	args := append([]string{"log", "--no-merges", "--format=%h %s", h.Base + "..HEAD", "--"}, folders...)
	out, err := git.Output(h.Root, args...)
	if err != nil {
		return nil, fmt.Errorf("listing the commits since %s, which must be in the clone (fetch-depth: 0): %w", h.Base, err)
	}
	var lines []string
	for line := range strings.Lines(out) {
		hash, subject, _ := strings.Cut(strings.TrimSpace(line), " ")
		lines = append(lines, hash+" "+plain(subject))
	}
	if more := len(lines) - mostCommits; more > 0 {
		lines = append(lines[:mostCommits], fmt.Sprintf("and %d more", more))
	}
	return lines, nil
}

// sources lists the folder and, recursively, the folders of the repository that its go.mod
// replaces modules with. A folder without a go.mod is part of the module above it.
func (h History) sources(dir string) []string {
	seen := map[string]bool{}
	var folders []string
	var add func(string)
	add = func(dir string) {
		if seen[dir] {
			return
		}
		seen[dir] = true
		folders = append(folders, dir)
		file := filepath.Join(h.Root, dir, "go.mod")
		content, err := os.ReadFile(file)
		if err != nil {
			return
		}
		parsed, err := modfile.Parse(file, content, nil)
		if err != nil {
			return // what cannot be read does not build either, and there is no new image
		}
		for _, replace := range parsed.Replace {
			if replace.New.Version == "" {
				add(filepath.Join(dir, filepath.FromSlash(replace.New.Path)))
			}
		}
	}
	add(dir)
	return folders
}

// special matches characters with a meaning in Markdown: emphasis, links, HTML.
var special = regexp.MustCompile("[\\\\`*_{}\\[\\]()<>#|~!&]")

func plain(text string) string {
	return strings.ReplaceAll(special.ReplaceAllString(text, `\$0`), "@", mention)
}
