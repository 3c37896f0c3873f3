package chassis

import (
	"context"
	"math"
	"runtime"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// messageMemory limits the memory of large messages: of requests while their handlers run, and of
// replies until they are written to the connection.
//
// A client that reads nothing leaves a reply in the pod, but for what the edge buffers, and neither
// limitCalls nor a deadline of the handler applies any more. Without the limit, some dozens of such
// calls fill the memory of a pod, which is killed with the calls of all others. A call whose message
// has no room gets RESOURCE_EXHAUSTED.
type messageMemory struct{ held Shares }

const (
	// smallMessage is the size up to which messages do not count: the edge buffers as much of a reply
	// (package envoy, streamWindow).
	smallMessage = 64 << 10
	// memoryShare is the part of the memory limit that messages may take: a third. Requests that
	// arrive slowly take about as much, see newArrivals.
	memoryShare = 3
)

// newMessageMemory returns the limit for a program that may use this much memory, in bytes. One
// caller may take half of the limit, so that others have room.
func newMessageMemory(limit int64) *messageMemory {
	most := int(min(limit, math.MaxInt) / memoryShare)
	return &messageMemory{Shares{What: "bytes of large messages", Most: most, Each: most / 2}}
}

// options returns the options of a server with this limit. They come after the interceptors that log
// a call and count it.
func (m *messageMemory) options() []grpc.ServerOption {
	options := []grpc.ServerOption{grpc.ChainUnaryInterceptor(m.unary), grpc.ChainStreamInterceptor(m.stream)}
	if codec := encoding.GetCodecV2(protocodec.Name); codec != nil {
		options = append(options, grpc.ForceServerCodecV2(replyCodec{codec}))
	}
	return options
}

func (m *messageMemory) unary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	from := Caller(ctx)
	held, err := m.hold(from, request)
	if err != nil {
		return nil, err
	}
	defer held.release() // after a panic
	reply, err := handler(ctx, request)
	if err != nil {
		return nil, err
	}
	held.release()
	return m.reply(from, reply)
}

func (m *messageMemory) stream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	held := &heldStream{ServerStream: stream, memory: m, caller: Caller(stream.Context()), single: !info.IsClientStream}
	defer func() { held.request.release() }()
	return handler(service, held)
}

// heldStream is a stream whose replies count, and its request if there is a single one.
type heldStream struct {
	grpc.ServerStream
	memory  *messageMemory
	caller  string
	single  bool
	request *hold
}

// RecvMsg implements grpc.ServerStream.
func (s *heldStream) RecvMsg(message any) error {
	err := s.ServerStream.RecvMsg(message)
	if err == nil && s.single {
		s.request, err = s.memory.hold(s.caller, message)
	}
	return err
}

// SendMsg implements grpc.ServerStream.
func (s *heldStream) SendMsg(message any) error {
	message, err := s.memory.reply(s.caller, message)
	if err != nil {
		return err
	}
	return s.ServerStream.SendMsg(message)
}

// hold counts a message until its release. It returns nil for a message that does not count.
func (m *messageMemory) hold(caller string, message any) (*hold, error) {
	counted, ok := message.(proto.Message)
	if !ok {
		return nil, nil
	}
	size := proto.Size(counted)
	if size <= smallMessage {
		return nil, nil
	}
	if err := m.held.Take(caller, size); err != nil {
		return nil, err
	}
	return &hold{give: func() { m.held.Give(caller, size) }}, nil
}

// hold is the room of one message.
type hold struct {
	give func()
	once sync.Once
}

// release gives the room back, once.
func (h *hold) release() {
	if h != nil {
		h.once.Do(h.give)
	}
}

// reply returns the message that replyCodec is to marshal: one that counts until it is written.
func (m *messageMemory) reply(caller string, message any) (any, error) {
	held, err := m.hold(caller, message)
	if held == nil || err != nil {
		return message, err
	}
	return heldReply{message.(proto.Message), held}, nil
}

// heldReply is a reply that counts.
type heldReply struct {
	proto.Message
	held *hold
}

// replyCodec marshals the replies that count, and leaves all else to the codec of the program.
type replyCodec struct{ encoding.CodecV2 }

// Marshal implements encoding.CodecV2.
func (c replyCodec) Marshal(message any) (mem.BufferSlice, error) {
	reply, counts := message.(heldReply)
	if !counts {
		return c.CodecV2.Marshal(message)
	}
	parts, err := c.CodecV2.Marshal(reply.Message)
	if err != nil {
		reply.held.release()
		return nil, err
	}
	defer parts.Free()
	data := parts.Materialize()
	// grpc-go frees what remains of a stream that ends, but not of a connection that breaks: that
	// is left to the garbage collector.
	runtime.AddCleanup(&data, (*hold).release, reply.held)
	return mem.BufferSlice{mem.NewBuffer(&data, releasing{reply.held})}, nil
}

// releasing is the pool of a single buffer, which it does not keep.
type releasing struct{ held *hold }

// Get implements mem.BufferPool.
func (releasing) Get(length int) *[]byte {
	buffer := make([]byte, length)
	return &buffer
}

// Put implements mem.BufferPool: the bytes are written, or their call has ended.
func (r releasing) Put(*[]byte) { r.held.release() }
