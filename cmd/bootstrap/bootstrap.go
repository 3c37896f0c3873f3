package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"example.com/grpc-edge/internal/stackfile"
)

// bootstrap holds the state of one run.
type bootstrap struct {
	options
	*cloud
	in  *bufio.Reader
	out io.Writer

	region, number string   // of the stack, of the project
	off            []string // APIs
}

func (b *bootstrap) isOff(api string) bool { return slices.Contains(b.off, api) }

// unseen is the note on a step whose subject is only assumed to be missing.
const unseen = "as far as can be seen while its API is off"

// step describes a line of the plan.
type step struct {
	sign string // + made, ~ changed, = there
	text string
	note string
	// do executes the step; nil if there is nothing to do.
	do func(context.Context) error
	// opens is set if the step, once done, makes more of the project visible.
	opens bool
}

// run shows what is missing, asks, and creates it. After enabling APIs it looks again at
// what could not be seen before. It asks again if that differs from what it showed.
func (b *bootstrap) run(ctx context.Context) error {
	agreed := map[string]bool{}
	for {
		steps, err := b.plan(ctx)
		if err != nil {
			return b.kept(len(agreed) > 0, err)
		}
		todo := slices.DeleteFunc(slices.Clone(steps), func(s step) bool { return s.do == nil })
		if slices.ContainsFunc(todo, func(s step) bool { return !agreed[s.text] }) || len(agreed) == 0 {
			b.show(steps)
			if b.planOnly && len(todo) > 0 {
				fmt.Fprintln(b.out, "Nothing was done: this only shows what would be done.")
				return nil
			}
			if err := b.ask(ctx, len(todo)); err != nil {
				return b.kept(len(agreed) > 0, err)
			}
		}
		for _, s := range todo {
			agreed[s.text] = true
		}
		more, err := b.apply(ctx, todo)
		if err != nil {
			return b.kept(true, err)
		}
		if !more {
			return b.next(ctx)
		}
	}
}

// kept adds to an error in the middle of a run that finished steps stay.
func (b *bootstrap) kept(begun bool, err error) error {
	if !begun {
		return err
	}
	return fmt.Errorf("%w\nWhat was created stays. Run the same command again: it continues from here", err)
}

// plan compares the existing resources with the required ones.
func (b *bootstrap) plan(ctx context.Context) ([]step, error) {
	file, err := stackfile.Read(b.root, b.stack)
	if err != nil {
		return nil, err
	}
	if b.region, err = regionOf(file); err != nil {
		return nil, err
	}
	if err := refuseOther(file, b.secretsProvider()); err != nil {
		return nil, err
	}
	if b.number, b.off, err = b.readServices(ctx); err != nil {
		return nil, err
	}
	bucket, err1 := b.planBucket(ctx)
	key, err2 := b.planKey(ctx)
	signing, err3 := b.planSigning(ctx, file)
	edit, err4 := b.planFile(file)
	return slices.Concat(b.planServices(), bucket, key, signing, edit), errors.Join(err1, err2, err3, err4)
}

func (b *bootstrap) planServices() []step {
	if len(b.off) == 0 {
		return []step{{sign: "=", text: fmt.Sprintf("%d APIs are on", len(apis))}}
	}
	return []step{{
		sign: "+", text: "enable APIs: " + strings.Join(b.off, ", "), opens: true,
		do: func(ctx context.Context) error { return b.enable(ctx, b.off) },
	}}
}

func (b *bootstrap) show(steps []step) {
	fmt.Fprintf(b.out, "Project %s (number %s), stack %s in %s:\n\n", b.project, b.number, b.stack, b.region)
	for _, s := range steps {
		fmt.Fprintf(b.out, "  %s %s\n", s.sign, strings.ReplaceAll(strings.TrimRight(s.text, "\n"), "\n", "\n      "))
		if s.note != "" {
			fmt.Fprintf(b.out, "      (%s)\n", s.note)
		}
	}
	fmt.Fprintln(b.out)
}

// ask asks whether to do what was shown.
func (b *bootstrap) ask(ctx context.Context, changes int) error {
	if changes == 0 {
		fmt.Fprintln(b.out, "All of it is there: nothing to do.")
		return nil
	}
	if b.yes {
		return nil
	}
	fmt.Fprint(b.out, "Do this? [y/N] ")
	answer, err := b.answer(ctx)
	fmt.Fprintln(b.out)
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	case "":
		if errors.Is(err, io.EOF) {
			return errors.New("cancelled: no terminal to confirm on. Set YES=1 to skip the question, or PLAN=1 to print the plan only")
		}
		if err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
	}
	return errors.New("cancelled")
}

// answer reads a line, or ends with the context: reading cannot be interrupted.
func (b *bootstrap) answer(ctx context.Context) (string, error) {
	type read struct {
		line string
		err  error
	}
	done := make(chan read, 1)
	go func() {
		line, err := b.in.ReadString('\n')
		done <- read{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case r := <-done:
		return r.line, r.err
	}
}

// apply executes the steps in order, until one of them makes more of the project visible.
func (b *bootstrap) apply(ctx context.Context, todo []step) (more bool, err error) {
	for _, s := range todo {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		title, _, _ := strings.Cut(s.text, "\n")
		fmt.Fprintf(b.out, "  %s … ", title)
		if err := s.do(ctx); err != nil {
			fmt.Fprintln(b.out, "✗")
			return false, err
		}
		fmt.Fprintln(b.out, "✓")
		if s.opens {
			return true, nil
		}
	}
	return false, nil
}
