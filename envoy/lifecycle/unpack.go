package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// packedSuffix ends the names of files that gzip has packed.
const packedSuffix = ".gz"

// unpack writes each packed file of a folder to another one, under its name without the
// suffix. It keeps no file in memory.
func unpack(from, to string) error {
	packed, err := filepath.Glob(filepath.Join(from, "*"+packedSuffix))
	if err != nil {
		return err
	}
	if len(packed) == 0 {
		return fmt.Errorf("unpacking: %s has no file *%s; it must be where the ConfigMap is mounted", from, packedSuffix)
	}
	for _, path := range packed {
		name := strings.TrimSuffix(filepath.Base(path), packedSuffix)
		if err := unpackFile(path, filepath.Join(to, name)); err != nil {
			return fmt.Errorf("unpacking %s: %w", path, err)
		}
	}
	return nil
}

func unpackFile(from, to string) (err error) {
	packed, err := os.Open(from)
	if err != nil {
		return err
	}
	defer packed.Close()
	content, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = io.Copy(file, content)
	return err
}
