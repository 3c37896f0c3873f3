package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"example.com/grpc-edge/internal/git"
)

func printVersion(_ context.Context, s sandbox, _ []string) error {
	fmt.Println(s.version())
	return nil
}

// version describes what runs: the commit of the repository, from which all other versions follow,
// and the compiler. It asks git: with the commit built in, each commit would give another program, and
// the running sandbox would count as an older build. The folder may belong to another user.
func (s sandbox) version() string {
	commit, err := git.Output(s.tools.Root, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
	if err != nil {
		commit = "of an unknown commit"
	}
	return fmt.Sprintf("sandbox %s, %s %s/%s", strings.TrimSpace(commit), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
