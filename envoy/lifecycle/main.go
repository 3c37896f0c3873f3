// Command lifecycle starts and drains an Envoy with its pod, through Envoy's admin
// interface. Envoy is a sidecar (an init container with restartPolicy Always): it
// starts first, and Kubernetes stops it only when the main container has ended.
//
//	lifecycle await   an init container after Envoy: it ends when Envoy has accepted
//	                  its certificate and found the pods of each backend healthy, or
//	                  when its budget is over; without a certificate it fails then.
//	                  Until it has ended well the pod is not ready, and gets no clients
//	lifecycle drain   the main container: it does nothing before SIGTERM, and then
//	                  takes Envoy out of service. Envoy by itself ends at once on
//	                  SIGTERM, with every call it has under way
//
//	lifecycle unpack  an init container before Envoy, where its configuration is too large
//	                  for a ConfigMap: it unpacks what gzip has packed, from -from to -to
//
// The flags of await and drain:
//
//	-admin   the address of Envoy's admin interface; default 127.0.0.1:9901
//	-budget  how long all of it may take, such as 25s (the default); for drain,
//	         keep it below the pod's terminationGracePeriodSeconds
//	-file    the file by which Envoy has clients leave that make no calls, which await
//	         creates; without it their connections are closed when Envoy ends
//
// It listens on nothing, and logs JSON lines to standard output. Requests to an admin
// interface that does not answer are retried. A second signal ends drain at once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "lifecycle:", err)
		os.Exit(2)
	}
}

// run awaits until ctx ends, or drains when it ends, or unpacks. The error is one of the
// arguments or of the files, or that Envoy has no certificate.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 0 || !slices.Contains([]string{"await", "drain", "unpack"}, args[0]) {
		return errors.New("say what to do: await, drain or unpack")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	from := flags.String("from", "", "the `folder` with packed files")
	to := flags.String("to", "", "the `folder` for what was in them")
	address := flags.String("admin", "127.0.0.1:9901", "the `address` of Envoy's admin interface")
	budget := flags.Duration("budget", 25*time.Second, "how long it may take")
	leave := flags.String("file", "", "the `file` by which Envoy has clients leave that make no calls")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if *budget <= 0 || flags.NArg() > 0 {
		return fmt.Errorf("-budget %v must be more than 0, and nothing may follow the flags, but %q does", *budget, flags.Args())
	}
	if args[0] == "unpack" {
		return unpack(*from, *to)
	}
	envoy, log := newAdmin(*address), newLogger(stdout)
	if args[0] == "await" {
		if err := idleClients(*leave).stay(); err != nil {
			return err
		}
		return await(ctx, envoy, *budget, log)
	}
	log.Info("waiting for SIGTERM")
	<-ctx.Done()
	drain(envoy, idleClients(*leave), splitBudget(*budget), log)
	return nil
}

// newLogger writes JSON lines with the field names by which Cloud Logging
// knows severity and message (Cloud Logging, "Structured logging").
func newLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, field slog.Attr) slog.Attr {
		switch field.Key {
		case slog.MessageKey:
			field.Key = "message"
		case slog.LevelKey:
			field.Key = "severity"
			if field.Value.Any() == slog.LevelWarn {
				field.Value = slog.StringValue("WARNING") // LogSeverity has no WARN
			}
		}
		return field
	}}))
}
