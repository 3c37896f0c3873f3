package chassis

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const (
	large    = 1 << 20
	memories = 5 * large // what messages may take: two of a caller, and one of another
)

// unread are the settings of a client that reads no reply.
var unread = http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}

// largeReplies answers each call, and each message of a stream, with a large message.
var largeReplies = handlers{
	unary: func(context.Context, *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
		return &grpc_testing.SimpleResponse{Payload: &grpc_testing.Payload{Body: make([]byte, large)}}, nil
	},
	stream: func(stream grpc_testing.TestService_FullDuplexCallServer) error {
		for {
			if _, err := stream.Recv(); err != nil {
				return err
			}
			if err := stream.Send(&grpc_testing.StreamingOutputCallResponse{Payload: &grpc_testing.Payload{Body: make([]byte, large)}}); err != nil {
				return err
			}
		}
	},
}

// taken waits until so many large messages take memory. While it waits, a sender keeps its connection
// busy: grpc-go refers to the last frame of a connection until it has another.
func (m *messageMemory) taken(t *testing.T, busy *sender, want int) {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		_ = busy.WriteWindowUpdate(0, 1) // it may be closed
		runtime.GC()                     // collects what broken connections leave
		m.held.mutex.Lock()
		held, callers := m.held.held, len(m.held.byCaller)
		m.held.mutex.Unlock()
		if held/large == want && (want > 0 || held == 0 && callers == 0) {
			return
		}
		if time.Since(begun) > timeout {
			t.Fatalf("%d bytes of %d callers are held, want %d messages", held, callers, want)
		}
	}
}

// empty is a message of no fields.
var empty = make([]byte, 5)

// TestUnreadRepliesAreBounded has one caller leave as many large replies unread as it can, by calls and
// by streams.
func TestUnreadRepliesAreBounded(t *testing.T) {
	t.Parallel()
	for _, path := range []string{unaryPath, "/" + serviceName + "/FullDuplexCall"} {
		m := newMessageMemory(memoryShare * memories)
		deaf, client := serveWith(t, m.options(), largeReplies, unread)
		var streams []uint32
		for range 3 { // two fit
			streams = append(streams, deaf.open(path, "192.0.2.1", empty))
			if err := deaf.WriteData(streams[len(streams)-1], path == unaryPath, nil); err != nil {
				t.Fatal(err)
			}
		}
		stream, code := deaf.status(hpack.NewDecoder(4096, nil))
		if code != "8" {
			t.Fatalf("%s: a reply too many ends its call with status %s, want RESOURCE_EXHAUSTED", path, code)
		}
		other := metadata.AppendToOutgoingContext(bounded(t), "x-forwarded-for", "192.0.2.2")
		for range 10 {
			if _, err := client.UnaryCall(other, &grpc_testing.SimpleRequest{}); err != nil {
				t.Fatalf("%s: a call of another caller = %v, want no error", path, err)
			}
		}
		streams = slices.DeleteFunc(streams, func(s uint32) bool { return s == stream })
		m.taken(t, deaf, 2)
		if err := deaf.WriteRSTStream(streams[0], http2.ErrCodeCancel); err != nil {
			t.Fatal(err)
		}
		m.taken(t, deaf, 1)
		again := deaf.open(path, "192.0.2.1", empty)
		if err := deaf.WriteData(again, path == unaryPath, nil); err != nil {
			t.Fatal(err)
		}
		if err := deaf.WriteWindowUpdate(again, 2*large); err != nil {
			t.Fatal(err)
		}
		if err := deaf.WriteWindowUpdate(0, 2*large); err != nil {
			t.Fatal(err)
		}
		deaf.message(again)
		_ = deaf.connection.Close()
		m.taken(t, deaf, 0)
	}
}

// TestClientsCannotAvoidTheLimit has a caller name another type of messages, or ask for compression.
func TestClientsCannotAvoidTheLimit(t *testing.T) {
	t.Parallel()
	for _, header := range []hpack.HeaderField{
		{Name: "content-type", Value: "application/grpc+x"},
		{Name: "content-type", Value: "application/grpc+PROTO"},
		{Name: "grpc-encoding", Value: "gzip"},
	} {
		m := newMessageMemory(memoryShare * memories)
		deaf, _ := serveWith(t, m.options(), handlers{unary: func(context.Context, *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
			body := make([]byte, large)
			_, _ = rand.Read(body) // never fails
			return &grpc_testing.SimpleResponse{Payload: &grpc_testing.Payload{Body: body}}, nil
		}}, unread)
		for range 3 { // two fit
			stream := deaf.open(unaryPath, "192.0.2.1", empty, header)
			if err := deaf.WriteData(stream, true, nil); err != nil {
				t.Fatal(err)
			}
		}
		if _, code := deaf.status(hpack.NewDecoder(4096, nil)); code != "8" {
			t.Errorf("%s %s: a reply too many ends its call with status %s, want RESOURCE_EXHAUSTED", header.Name, header.Value, code)
		}
		m.taken(t, deaf, 2)
	}
}

// message reads until a whole large message of a stream has come.
func (s *sender) message(stream uint32) {
	s.t.Helper()
	for got := 0; got < large; {
		frame, err := s.ReadFrame()
		if err != nil {
			s.t.Fatalf("reading a reply: %v", err)
		}
		if data, ok := frame.(*http2.DataFrame); ok && data.StreamID == stream {
			got += len(data.Data())
		}
	}
}

// TestRequestsOfSlowHandlersAreBounded has one caller send as many large requests as it can, whose
// handlers do not return.
func TestRequestsOfSlowHandlersAreBounded(t *testing.T) {
	t.Parallel()
	m := newMessageMemory(memoryShare * memories)
	release := make(chan struct{})
	busy, client := serveWith(t, m.options(), handlers{unary: func(_ context.Context, r *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
		if len(r.GetPayload().GetBody()) > 0 {
			<-release
		}
		return &grpc_testing.SimpleResponse{}, nil
	}})
	request := &grpc_testing.SimpleRequest{Payload: &grpc_testing.Payload{Body: make([]byte, large)}}
	from := metadata.AppendToOutgoingContext(bounded(t), "x-forwarded-for", "192.0.2.1")
	results := make(chan error, 3)
	for range cap(results) {
		go func() {
			_, err := client.UnaryCall(from, request)
			results <- err
		}()
	}
	if err := <-results; status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a large request too many = %v, want RESOURCE_EXHAUSTED", err)
	}
	if _, err := client.UnaryCall(from, &grpc_testing.SimpleRequest{}); err != nil {
		t.Errorf("a small request of the same caller = %v, want no error", err)
	}
	close(release)
	for range cap(results) - 1 {
		if err := <-results; err != nil {
			t.Errorf("a request that fits = %v, want no error", err)
		}
	}
	m.taken(t, busy, 0)
}

// TestLargestMessageFits has a program with less memory than one message should have.
func TestLargestMessageFits(t *testing.T) {
	t.Parallel()
	m := newMessageMemory(1000)
	busy, client := serveWith(t, append(m.options(), grpc.MaxRecvMsgSize(maxMessageBytes)), handlers{})
	body := make([]byte, maxMessageBytes-100)
	binary.BigEndian.PutUint32(body, 42)
	for range 2 {
		reply, err := client.UnaryCall(bounded(t), &grpc_testing.SimpleRequest{Payload: &grpc_testing.Payload{Body: body}})
		if err != nil || !proto.Equal(reply.GetPayload(), &grpc_testing.Payload{Body: body}) {
			t.Errorf("a call with the largest message = %d bytes, %v, want the same back", proto.Size(reply), err)
		}
	}
	m.taken(t, busy, 0)
}
