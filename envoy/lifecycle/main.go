// Command drain is the main container of Envoy's pod, and Envoy a sidecar beside
// it (an init container with restartPolicy Always), which Kubernetes stops only
// when the main container has ended. So Envoy runs on while drain, told by
// SIGTERM to end, has Envoy's admin interface take it out of service. Envoy by
// itself ends at once on SIGTERM, with every call it has under way.
//
//	-admin   the address of Envoy's admin interface; default 127.0.0.1:9901
//	-budget  how long all of it may take, such as 25s (the default); keep it
//	         below the pod's terminationGracePeriodSeconds
//
// It does nothing before SIGTERM, listens on nothing, and logs JSON lines to
// standard output. Two phases share the budget:
//
//	40 %  POST /healthcheck/fail: readiness fails while clients are still taken,
//	      so that the load balancer notices and sends new ones elsewhere
//	50 %  POST /drain_listeners?graceful&skip_exit: Envoy tells clients to go
//	      (GOAWAY), a growing share of them over its --drain-time-s, and calls
//	      under way finish; this phase ends as soon as no client is connected, or
//	      none has called for a second
//	10 %  are left for Envoy to stop
//
// An admin interface that gives no answer is asked again and waited for: who
// serves in the meantime needs the time all the same. A second signal ends drain
// at once.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "drain:", err)
		os.Exit(2)
	}
}

// run drains when ctx ends. The error is one of the arguments.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("drain", flag.ContinueOnError)
	address := flags.String("admin", "127.0.0.1:9901", "the `address` of Envoy's admin interface")
	budget := flags.Duration("budget", 25*time.Second, "how long draining may take")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *budget <= 0 || flags.NArg() > 0 {
		return fmt.Errorf("-budget %v must be more than 0, and nothing may follow the flags, but %q does", *budget, flags.Args())
	}
	log := newLogger(stdout)
	log.Info("waiting for SIGTERM")
	<-ctx.Done()
	drain(newAdmin(*address), splitBudget(*budget), log)
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
