package chaos

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	echo "example.com/grpc-edge/services/echo/api"
)

// harm lists calls that are allowed, but whose ends Envoy could count against the pod. Too many of
// these eject a healthy pod, which costs other callers.
var harm = []Event{
	{
		Key: "abuse-deadlines", Title: "Deadlines shorter than any call, and calls without a message", Promise: undisturbed,
		Do: ejectsNone(attack(shortDeadlines)),
	},
	{
		Key: "abuse-errors", Title: "Errors with details of 60 kB and 400 kB", Promise: undisturbed, Reverts: true,
		Prepare: largeErrorHandlers, Do: ejectsNone(attack(largeErrors)),
	},
}

// ejectsNone does something, and fails if Envoy ejects a pod of echo meanwhile.
func ejectsNone(do func(context.Context, *Sandbox) error) func(context.Context, *Sandbox) error {
	const ejections = "cluster.echo.outlier_detection.ejections_enforced_total"
	return func(ctx context.Context, s *Sandbox) error {
		before, err := s.envoyStat(ctx, ejections)
		if err != nil {
			return err
		}
		if err := do(ctx, s); err != nil {
			return err
		}
		after, err := s.envoyStat(ctx, ejections)
		if err == nil && after != before {
			err = fmt.Errorf("%d healthy pods were ejected", after-before)
		}
		s.note("%d pods ejected", after-before)
		return err
	}
}

// shortCalls is the number of calls on one connection: the edge allows as many at once.
const shortCalls = 100

// shortDeadlines opens calls whose deadline is over before the method can answer: with a
// message, and without one, for which the pod waits.
func shortDeadlines(ctx context.Context, s *Sandbox, n int) error {
	f, err := greeted(ctx, s, "h2")
	if err != nil {
		return err
	}
	defer f.Close()
	block := s.header(hpack.HeaderField{Name: "grpc-timeout", Value: []string{"100u", "5m"}[n%2]})
	for i := range uint32(shortCalls) {
		stream := 2*i + 1
		if err := f.open(stream, block); err != nil {
			return fmt.Errorf("opening a call: %w", err)
		}
		if n%2 == 0 {
			if err := f.writeMessage(stream, "in time?"); err != nil {
				return fmt.Errorf("sending a message: %w", err)
			}
		}
	}
	_, err = f.ReadFrame()
	return err
}

//go:embed faulty/echo.go.txt
var errorHandlers []byte

// largeErrorHandlers has echo fail with details as large as a caller asks for.
func largeErrorHandlers(ctx context.Context, s *Sandbox) error {
	return errors.Join(s.write("services/echo/handlers.go", errorHandlers), s.up(ctx))
}

// largeErrors asks for errors, which must arrive with their own code.
func largeErrors(ctx context.Context, s *Sandbox, n int) error {
	connection, err := s.dial()
	if err != nil {
		return err
	}
	defer connection.Close()
	client := echo.NewEchoClient(connection)
	for range 10 {
		_, err := client.Echo(ctx, &echo.EchoRequest{Content: []string{"error of 60000", "error of 400000"}[n%2]})
		if status.Code(err) != codes.FailedPrecondition {
			return fmt.Errorf("a large error is %w, want FAILED_PRECONDITION", err)
		}
	}
	return nil
}
