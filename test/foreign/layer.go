package foreign

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// newLayer packs a folder. Equal files give an equal layer: they are ordered by name, have no
// time, belong to root, and are readable by all.
func newLayer(from, to string) (v1.Layer, error) {
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	err := filepath.WalkDir(from, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		within, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		return add(writer, file, path.Join(to, filepath.ToSlash(within)), entry)
	})
	if err == nil && to == "" {
		err = mergeUsr(writer)
	}
	if err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}

// topFolders lists the folders that are links into usr. Packages of older releases have files
// in them.
var topFolders = []string{"bin", "lib", "lib64", "sbin"}

func add(writer *tar.Writer, file, name string, entry fs.DirEntry) error {
	if top, _, _ := strings.Cut(name, "/"); top != "usr" && top != appDir {
		name = "usr/" + name
	}
	info, err := entry.Info()
	if err != nil {
		return err
	}
	header := &tar.Header{Name: name, Mode: 0o644, Format: tar.FormatPAX}
	if info.Mode()&0o100 != 0 {
		header.Mode = 0o755
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		header.Typeflag = tar.TypeSymlink
		if header.Linkname, err = os.Readlink(file); err != nil {
			return err
		}
		return writer.WriteHeader(header)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	header.Typeflag, header.Size = tar.TypeReg, int64(len(content))
	if err := writer.WriteHeader(header); err != nil {
		return err
	}
	_, err = writer.Write(content)
	return err
}

// mergeUsr links the top folders into usr, as current distributions do.
func mergeUsr(writer *tar.Writer) error {
	for _, name := range topFolders {
		header := &tar.Header{Name: name, Linkname: "usr/" + name, Typeflag: tar.TypeSymlink, Mode: 0o777, Format: tar.FormatPAX}
		if err := writer.WriteHeader(header); err != nil {
			return err
		}
	}
	return nil
}
