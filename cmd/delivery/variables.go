package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
)

// variables reads the inputs of a job from the environment, so that no shell and no make
// interprets them: people type some of them into forms.
//
//	STACK                            the stack; set by make, dev by default
//	BASE, TOUCHED                    plan: commit to compare with; do nothing if no commit since touches the stack
//	IMAGES                           plan: file with the digests that the images must have, as deploy of another stack wrote it
//	KEEP                             plan, deploy: commit for which what they write is kept in the state's bucket
//	PLAN, KEPT, TRIED                deploy: plan to do; or commit whose plan was kept, and stack that must run its images
//	ISSUE                            drift: keep an issue open as long as there is drift
//	PR, COMMENT                      plan, review, review-down: number of the pull request; write to it
//	TO, YES                          rollback: number of the deployment; do it
//	CONFIRM_STACK, CONFIRM_ADDRESS   teardown: what a person has to repeat
//	ROLE                             identity: previewer, deployer, destroyer or reviewer
type variables struct{ errs []error }

func (v *variables) text(name string) string { return os.Getenv(name) }

// on reports whether a variable such as YES=1 has a value.
func (v *variables) on(name string) bool { return os.Getenv(name) != "" }

// number returns 0 for a variable without a value.
func (v *variables) number(name string) int {
	text := os.Getenv(name)
	if text == "" {
		return 0
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 0 {
		v.errs = append(v.errs, fmt.Errorf("%s is %q; it must be a number", name, text))
	}
	return number
}

func (v *variables) review() reviewOptions {
	return reviewOptions{pullRequest: v.number("PR"), comment: v.on("COMMENT")}
}

// then runs the job if every variable could be read.
func (v *variables) then(run func() error) error {
	if err := errors.Join(v.errs...); err != nil {
		return err
	}
	return run()
}
