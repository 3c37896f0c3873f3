package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
)

// stream lists the services on a bidirectional stream of the reflection service. It makes
// one call at a time.
type stream struct {
	connection *grpc.ClientConn
	life       time.Duration
	turn       chan struct{}                                                  // holds an element while a call is in flight
	open       grpc_reflection_v1.ServerReflection_ServerReflectionInfoClient // nil for none
	cancel     context.CancelFunc                                             // of open
	until      time.Time
}

func newStream(target Target, life time.Duration) (client, error) {
	connection, err := keep(target)
	s := &stream{connection: connection, life: life, turn: make(chan struct{}, 1)}
	return client{s.call, s.close}, err
}

// call sends one message and waits for its answer. The stream stays open after the call.
func (s *stream) call(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return errLate
	}
	if err := s.renew(ctx); err != nil {
		return err
	}
	err := bounded(ctx, s.cancel, s.exchange)
	if err != nil {
		s.drop()
	}
	return err
}

// errLate is the error of a call that reached its deadline.
var errLate = fmt.Errorf("no answer by the deadline: %w", context.DeadlineExceeded)

// bounded runs do, and calls cancel when ctx ends. It returns errLate if ctx ended first.
func bounded(ctx context.Context, cancel func(), do func() error) error {
	stop := context.AfterFunc(ctx, cancel)
	err := do()
	if !stop() {
		return errLate
	}
	return err
}

// renew ends a stream that is older than its life, and opens a stream if there is none.
func (s *stream) renew(ctx context.Context) error {
	if s.open != nil && time.Now().After(s.until) {
		err := bounded(ctx, s.cancel, s.end)
		s.drop()
		if err != nil {
			return err
		}
	}
	if s.open != nil {
		return nil
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel, s.until = cancel, time.Now().Add(s.life)
	err := bounded(ctx, cancel, func() (err error) {
		s.open, err = grpc_reflection_v1.NewServerReflectionClient(s.connection).ServerReflectionInfo(life)
		return err
	})
	if err != nil {
		s.drop()
	}
	return err
}

// drop cancels the stream and forgets it.
func (s *stream) drop() {
	s.cancel()
	s.open = nil
}

// end half-closes the stream. The server must end it without an error.
func (s *stream) end() error {
	if err := s.open.CloseSend(); err != nil {
		return err
	}
	switch reply, err := s.open.Recv(); {
	case err == nil:
		return fmt.Errorf("a stream that was half-closed got one more answer: %w", wrongAnswer(reply.String()))
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("a stream that was half-closed ended with: %w", err)
	}
	return nil
}

func (s *stream) exchange() error {
	request := &grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}
	if err := s.open.Send(request); err != nil {
		if _, why := s.open.Recv(); why != nil { // Send tells only that the stream has ended
			err = why
		}
		return err
	}
	reply, err := s.open.Recv()
	if err != nil {
		return err
	}
	var names []string
	for _, service := range reply.GetListServicesResponse().GetService() {
		names = append(names, service.GetName())
	}
	if !slices.Contains(names, "api.Echo") {
		return wrongAnswer(strings.Join(names, " "))
	}
	return nil
}

func (s *stream) close() {
	if s.open != nil {
		s.drop()
	}
	s.connection.Close()
}
