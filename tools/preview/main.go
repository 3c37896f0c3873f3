// Command preview turns what `pulumi preview --json` prints into a comment for a
// pull request: a verdict, what deserves attention first, and every change, folded.
//
//	pulumi preview --json > preview.json 2> preview.log
//	preview -stack dev -base origin/main -log preview.log < preview.json
//
// No secret gets into it: Pulumi masks those it knows, and what looks like one is
// masked here. The first line is a marker by which the comment is found again.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run() error {
	stack := flag.String("stack", "", "name of the stack, the comment's title")
	base := flag.String("base", "", "commit that the changes are compared with; empty lists no commits")
	root := flag.String("root", ".", "folder of the repository")
	log := flag.String("log", "", "file with what Pulumi wrote to its standard error, for a preview that ended early")
	flag.Parse()
	if *stack == "" || flag.NArg() > 0 {
		return errors.New("usage: preview -stack NAME [-base COMMIT] [-root DIR] [-log FILE] < preview.json")
	}
	var said []byte
	if *log != "" {
		var err error
		if said, err = os.ReadFile(*log); err != nil {
			return fmt.Errorf("reading what Pulumi said: %w", err)
		}
	}
	d, err := readDigest(os.Stdin, string(said))
	if err != nil {
		return err
	}
	fmt.Print(render(*stack, d, history{root: *root, base: *base}.commits))
	return nil
}
