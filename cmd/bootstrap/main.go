// Command bootstrap creates in a Google Cloud project what must exist before the
// first `pulumi up`: APIs, the bucket of Pulumi's state, and the key that encrypts
// the secrets in it. It writes their names into the file of the stack.
//
//	bootstrap -project PROJECT [-repo OWNER/NAME] [-stack dev] [-plan | -yes]
//
// It first shows what it will do, and asks. It leaves existing resources alone, or
// fixes settings that are weaker than required. So it can be run at any time, and
// continues where an earlier run failed: Google's side comes first, the file last. It
// deletes nothing and grants nothing.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"golang.org/x/oauth2/google"
	"google.golang.org/api/option"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.StringVar(&o.project, "project", "", "ID of the Google Cloud project")
	flag.StringVar(&o.repository, "repo", "", "repository on GitHub that deploys, as owner/name; empty if none does")
	flag.StringVar(&o.stack, "stack", "dev", "name of the stack, whose file Pulumi.STACK.yaml exists")
	flag.StringVar(&o.root, "root", ".", "the root of the repository")
	flag.BoolVar(&o.yes, "yes", false, "do not ask")
	flag.BoolVar(&o.planOnly, "plan", false, "show what would be done, and do nothing")
	flag.Parse()
	if err := run(ctx, o, terminal(os.Stdin), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bootstrap:", err)
		os.Exit(1)
	}
}

// terminal returns the file if it is a terminal, and else an empty reader.
func terminal(f *os.File) io.Reader {
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return strings.NewReader("")
	}
	return f
}

// options holds the caller's choices.
type options struct {
	project, repository, stack, root string
	yes, planOnly                    bool
}

// The rules for names: those of infra/config, so that `pulumi up` accepts what is written
// here; and GitHub's ("Username rules", and the text of its form for a repository).
var (
	projectID  = regexp.MustCompile(`^[a-z][a-z0-9-]{4,28}[a-z0-9]$`)
	stackName  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)
	repository = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100})?$`)
)

// check reports all wrong options at once.
func (o options) check() error {
	var wrong []error
	if !projectID.MatchString(o.project) {
		wrong = append(wrong, fmt.Errorf("PROJECT is %q: it must be the ID of a Google Cloud project, such as my-project (`gcloud projects list` shows them)", o.project))
	}
	if !repository.MatchString(o.repository) {
		wrong = append(wrong, fmt.Errorf("REPO is %q: it must be owner/name of a repository on GitHub, or be left out", o.repository))
	}
	if !stackName.MatchString(o.stack) {
		wrong = append(wrong, fmt.Errorf("STACK is %q: it must be the name of a stack, such as dev", o.stack))
	}
	return errors.Join(wrong...)
}

// run runs the command with the credentials of its caller.
func run(ctx context.Context, o options, in io.Reader, out io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	credentials, err := google.FindDefaultCredentials(ctx, "https://www.googleapis.com/auth/cloud-platform")
	if err == nil {
		_, err = credentials.TokenSource.Token()
	}
	if err != nil {
		return fmt.Errorf("finding Google Cloud credentials; get some with `gcloud auth application-default login`: %w", err)
	}
	c, err := newCloud(ctx, o.project, out, option.WithTokenSource(credentials.TokenSource))
	if err != nil {
		return err
	}
	b := &bootstrap{options: o, cloud: c, in: bufio.NewReader(in), out: out}
	return b.run(ctx)
}
