package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"example.com/grpc-edge/cmd/delivery/preview"
	"example.com/grpc-edge/internal/git"
	"example.com/grpc-edge/internal/subprocess"
)

type rollbackOptions struct {
	to  int
	yes bool
}

// deployment describes an entry of Pulumi's history of a stack.
type deployment struct {
	number int

	Kind        string            `json:"kind"`
	StartTime   string            `json:"startTime"`
	Message     string            `json:"message"`
	Result      string            `json:"result"`
	Environment map[string]string `json:"environment"`
}

func (d deployment) commit() string { return d.Environment["git.head"] }

// history returns the deployments of the stack, the oldest first. Pulumi does not number
// deployments in a bucket: their number is their place in the history.
func (j *job) history(ctx context.Context) ([]deployment, error) {
	var all []deployment
	if err := j.cli.JSON(ctx, &all, "stack", "history", "--json"); err != nil {
		return nil, err
	}
	slices.Reverse(all)
	for i := range all {
		all[i].number = i + 1
	}
	return slices.DeleteFunc(all, func(d deployment) bool { return d.Kind != "update" }), nil
}

// rollback brings up an earlier deployment again: the commit it was made from, with the
// program, the services and the config.
func (j *job) rollback(ctx context.Context, o rollbackOptions) error {
	all, err := j.history(ctx)
	if err != nil {
		return err
	}
	if o.to == 0 {
		return list(j.stack, all)
	}
	at := slices.IndexFunc(all, func(d deployment) bool { return d.number == o.to })
	if at < 0 {
		return fmt.Errorf("%s has no deployment %d; without TO they are listed", j.stack, o.to)
	}
	target := all[at]
	if err := repeatable(target); err != nil {
		return err
	}
	folder, remove, err := j.worktree(target.commit())
	if err != nil {
		return err
	}
	defer remove()
	if err := j.again(ctx, target, folder, o.yes); err != nil || !o.yes {
		return err
	}
	fmt.Printf("%s is at %.12s again. The next deployment of the branch brings back what came after: revert that there.\n", j.stack, target.commit())
	return j.writeImages(ctx)
}

func list(stack string, all []deployment) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "NUMBER\tSTARTED\tRESULT\tCOMMIT\tMESSAGE\n")
	for _, d := range slices.Backward(all) {
		message, _, _ := strings.Cut(d.Message, "\n")
		fmt.Fprintf(w, "%d\t%s\t%s\t%.12s\t%s\n", d.number, strings.TrimSuffix(d.StartTime, ".000Z"), d.Result, d.commit(), message)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("\n`make rollback STACK=%s TO=NUMBER` shows what going back would change.\n", stack)
	return nil
}

// repeatable refuses a deployment without a commit, or one that failed. It warns if the
// deployment had uncommitted changes, since these do not come back.
func repeatable(d deployment) error {
	switch {
	case d.commit() == "":
		return fmt.Errorf("deployment %d was not made from a git clone, so its commit is not known", d.number)
	case d.Result != "succeeded":
		return fmt.Errorf("deployment %d %s; go back to one that succeeded", d.number, d.Result)
	case d.Environment["git.dirty"] == "true":
		fmt.Fprintf(os.Stderr, "warning: deployment %d had changes that were not committed, such as to the stack's config; what comes back is commit %.12s as it is\n", d.number, d.commit())
	}
	return nil
}

// worktree checks out a commit in a separate worktree.
func (j *job) worktree(commit string) (folder string, remove func(), err error) {
	if git.Command(j.root, "cat-file", "-e", commit+"^{commit}").Run() != nil {
		return "", nil, fmt.Errorf("commit %s is not in this clone: `git fetch --unshallow`, or fetch the branch that it is on", commit)
	}
	folder = j.file("rollback")
	remove = func() { _ = git.Command(j.root, "worktree", "remove", "--force", folder).Run() }
	remove() // what an interrupted rollback left
	if _, err := subprocess.Output(git.Command(j.root, "worktree", "add", "--detach", folder, commit)); err != nil {
		return "", nil, fmt.Errorf("checking out %s: %w", commit, err)
	}
	return folder, remove, nil
}

// again previews the deployment, and deploys it if that is wanted.
func (j *job) again(ctx context.Context, target deployment, folder string, yes bool) error {
	back := *j
	back.cli.Program = folder
	policies := "--policy-pack=" + filepath.Join(folder, "policy")
	plan := j.file("rollback.json")
	previewed, err := back.previewed(ctx, "preview", "--json", "--save-plan", plan, policies)
	if err != nil {
		return err
	}
	fmt.Println(previewed.Markdown(j.stack, preview.History{}.Commits))
	switch {
	case previewed.Failed():
		return errors.New("going back is not possible, see above")
	case !yes:
		fmt.Printf("Nothing is changed. `make rollback STACK=%s TO=%d YES=1` does it.\n", j.stack, target.number)
		return nil
	}
	message := fmt.Sprintf("Roll back to deployment %d: %s", target.number, target.Message)
	return back.cli.Run(ctx, "up", "--yes", "--skip-preview", "--suppress-outputs", "--plan", plan, "--message", message, policies)
}
