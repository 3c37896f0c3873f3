package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"example.com/grpc-edge/cmd/delivery/pulumicli"
	"example.com/grpc-edge/internal/stackfile"
)

type reviewOptions struct {
	pullRequest int
	comment     bool
}

// reviewStack returns the stack of a pull request, with the config of the job's stack.
func (j *job) reviewStack(pullRequest int) (pulumicli.CLI, error) {
	if pullRequest <= 0 {
		return pulumicli.CLI{}, errors.New("give the number of the pull request: PR=7")
	}
	cli := j.cli
	cli.Stack = fmt.Sprintf("review-%d", pullRequest)
	text, err := os.ReadFile(filepath.Join(j.root, stackfile.Name(j.stack)))
	if err != nil {
		return cli, err
	}
	// A file of its own, because Pulumi writes to it; .gitignore has it.
	return cli, os.WriteFile(filepath.Join(j.root, stackfile.Name(cli.Stack)), text, 0o644)
}

// review brings up a stack for a pull request, and prints how to call it. Whatever the config of
// the job's stack, it creates no identities, has no deletion protection, sends no alerts, and does
// not touch resources that exist once per project or DNS zone: it would take them from the job's
// stack, and its teardown would delete them.
func (j *job) review(ctx context.Context, o reviewOptions) error {
	cli, err := j.reviewStack(o.pullRequest)
	if err != nil {
		return err
	}
	create := []string{"stack", "select", "--create"}
	if provider := j.env.SecretsProvider; provider != "" {
		create = append(create, "--secrets-provider", provider)
	}
	if err := cli.Run(ctx, create...); err != nil {
		return err
	}
	if err := cli.Run(ctx, append([]string{"up", "--yes", "--skip-preview", "--suppress-outputs", policyPack}, j.reviewConfig()...)...); err != nil {
		return fmt.Errorf("%w\nWhat is done stays until `make review-down PR=%d STACK=%s`; the same command goes on", err, o.pullRequest, j.stack)
	}
	own := *j
	own.cli = cli
	up, err := own.outputs(ctx)
	if err != nil {
		return err
	}
	return j.tell(ctx, cli.Stack, o, reviewText(cli.Stack, up))
}

// reviewConfig returns the flags for the config that differs from the job's stack.
func (j *job) reviewConfig() []string {
	var flags []string
	off := map[string]string{
		"deletionProtection": "false", "githubRepository": "", "githubRepositoryId": "", "reviewStacks": "false",
		"cloudBuildRepository": "", "cloudBuildTokenSecret": "", "promotedFrom": "",
		"dnsZone": "", "binaryAuthorization": "false", "signingKey": "", "alertEmails": "[]",
	}
	for _, name := range slices.Sorted(maps.Keys(off)) {
		key := stackfile.Program + ":" + name
		if now := j.env.Value(key); name == "deletionProtection" || now != "" && now != off[name] {
			flags = append(flags, "--config", key+"="+off[name])
		}
	}
	return flags
}

func reviewText(stack string, up outputs) string {
	text := &strings.Builder{}
	fmt.Fprintf(text, "%s\n### %s is up\n\nIt answers at %s as `%s`, until this pull request is closed or loses its label.\n\n```sh\n", reviewMarker(stack), stack, up.Address, up.Authority)
	for _, method := range slices.Sorted(maps.Keys(up.GRPCurl)) {
		fmt.Fprintln(text, up.GRPCurl[method])
	}
	fmt.Fprintf(text, "```\n\n`pulumi stack output --stack %s caCertificate > ca.pem` writes the certificate that these need.\n", stack)
	return text.String()
}

func reviewMarker(stack string) string { return "<!-- grpc-edge stack " + stack + " -->" }

// tell prints a text, and writes it to the pull request if that is wanted.
func (j *job) tell(ctx context.Context, stack string, o reviewOptions, text string) error {
	fmt.Println(text)
	if !o.comment {
		return nil
	}
	if err := post(ctx, o.pullRequest, text); err != nil {
		return fmt.Errorf("%s is done, but not told: %w", stack, err)
	}
	return nil
}

// reviewDown destroys the stack of a pull request and removes every trace of it. It
// can be run again, also for a stack that never was.
func (j *job) reviewDown(ctx context.Context, o reviewOptions) error {
	cli, err := j.reviewStack(o.pullRequest)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(filepath.Join(j.root, stackfile.Name(cli.Stack))) }() // ignored by git
	var all []struct{ Name string }
	none := cli
	none.Stack = ""
	if err := none.JSON(ctx, &all, "stack", "ls", "--json"); err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(s struct{ Name string }) bool { return s.Name == cli.Stack }) {
		fmt.Printf("There is no stack %s.\n", cli.Stack)
		return nil
	}
	if err := cli.Run(ctx, "destroy", "--yes", "--skip-preview", "--suppress-outputs"); err != nil {
		return fmt.Errorf("%w\nThe rest is still in the state of %s: run the same command to continue", err, cli.Stack)
	}
	if err := cli.Run(ctx, "stack", "rm", "--yes", "--preserve-config"); err != nil {
		return err
	}
	return j.tell(ctx, cli.Stack, o, fmt.Sprintf("%s\n### %s is gone\n\nEverything that it had is destroyed.\n", reviewMarker(cli.Stack), cli.Stack))
}
