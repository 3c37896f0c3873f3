package chaos

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	echo "example.com/grpc-edge/services/echo/api"
)

// harm lists calls that are allowed, but too many of them could cost other callers their pod. Envoy
// could eject the pod because of how they end, or the pod could run out of memory.
var harm = []Event{
	{
		Key: "abuse-deadlines", Title: "Deadlines shorter than any call, and calls without a message", Promise: undisturbed,
		Do: ejectsNone(attack(shortDeadlines)),
	},
	{
		Key: "abuse-errors", Title: "Errors with details of 60 kB and 400 kB", Promise: undisturbed, Reverts: true,
		Prepare: largeErrorHandlers, Do: ejectsNone(attack(largeErrors)),
	},
	{
		Key: "abuse-unread", Title: "Replies of 2 MB that nobody reads, more than a pod has memory for",
		Promise: crowded, Do: ejectsNone(attack(unreadReplies)),
	},
	{
		Key: "abuse-halves", Title: "Requests of 3 MB that are never complete, more than a pod has memory for",
		Promise: crowded, Do: ejectsNone(attack(halfRequests)),
	},
}

// crowded is for attacks that fill memory. What is sent takes much CPU time of the machine, which
// attackers and edge share, so that p99 has no bound.
var crowded = Promise{}

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

//go:embed broken/echo.go.txt
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

// unreadCalls is the number of calls of one attacker. Replies to all attackers are larger than the
// memory of the pods.
const unreadCalls = 12

// unreadReplies has echo send replies, and reads none. Most calls are refused.
func unreadReplies(ctx context.Context, s *Sandbox, _ int) error {
	connection, err := s.dial(grpc.WithInitialWindowSize(64 << 10)) // the least that the library takes
	if err != nil {
		return err
	}
	defer connection.Close()
	request := &echo.EchoRequest{Content: strings.Repeat("x", 2<<20)}
	for range unreadCalls {
		stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, echo.Echo_Echo_FullMethodName)
		if err != nil {
			return fmt.Errorf("beginning a call: %w", err)
		}
		if err := errors.Join(stream.SendMsg(request), stream.CloseSend()); err != nil && ctx.Err() == nil {
			return fmt.Errorf("sending a request: %w", err)
		}
	}
	<-ctx.Done()
	return nil
}

// halfCalls is the number of requests of one attacker.
const halfCalls = 8

// halfRequests sends most of requests, which the services end after a while, and most of them at once.
func halfRequests(ctx context.Context, s *Sandbox, _ int) error {
	transport := s.transport()
	defer transport.CloseIdleConnections()
	const announced, sent = 4 << 20, 3 << 20
	part := append(binary.BigEndian.AppendUint32([]byte{0}, announced), make([]byte, sent)...)
	var wait sync.WaitGroup
	for range halfCalls {
		never, end := io.Pipe()
		defer context.AfterFunc(ctx, func() { _ = end.Close() })()
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+s.Target.TLS.ServerName+echo.Echo_Echo_FullMethodName, io.MultiReader(bytes.NewReader(part), never))
		if err != nil {
			return err
		}
		request.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}}
		wait.Go(func() {
			if response, err := transport.RoundTrip(request); err == nil { // else the attack is over
				response.Body.Close()
			}
		})
	}
	wait.Wait()
	<-ctx.Done()
	return nil
}
