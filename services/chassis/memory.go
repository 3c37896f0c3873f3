package chassis

import (
	"context"
	"runtime"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// messageMemory limits the memory of large messages: of requests while their handlers run, and of
// replies until they are written to the connection.
//
// A client that reads nothing leaves a reply in the pod, but for what the edge buffers, and neither
// limitCalls nor a deadline of the handler applies any more. Without the limit, some dozens of such
// calls fill the memory of a pod, which is killed with the calls of all others. A call whose message
// has no room gets RESOURCE_EXHAUSTED.
//
// The replies of a stream count, too, if they are above smallMessage.
type messageMemory struct {
	held Shares
	// written reports whether replyCodec can tell when a reply has been written.
	written bool
}

const (
	// smallMessage is the size up to which messages do not count: the edge buffers as much of a reply
	// (package envoy, streamWindow).
	smallMessage = 64 << 10
	// memoryShare is the part of the memory limit that messages may take: a third. Slow
	// requests may take another half: see arrivalShare.
	memoryShare = 3
)

// newMessageMemory returns the limit for a program that may use this much memory, in bytes.
func newMessageMemory(limit int64) *messageMemory {
	_, still := encoding.GetCodecV2(protocodec.Name).(replyCodec)
	return &messageMemory{held: Shares{What: "bytes for large messages", Most: int(limit / memoryShare)}, written: replyCodecRegistered && still}
}

// options returns the options of a server with this limit. They come after the interceptors that log
// a call and count it.
func (m *messageMemory) options() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(m.unary), grpc.ChainStreamInterceptor(m.stream)}
}

func (m *messageMemory) unary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	held, err := m.hold(ctx, largeSize(request))
	if err != nil {
		return nil, err
	}
	defer held.release() // after a panic
	reply, err := handler(ctx, request)
	if err != nil {
		return nil, err
	}
	held.release()
	counted, err := m.reply(ctx, reply)
	if err != nil {
		return nil, status.Error(codes.ResourceExhausted, "the method was carried out, and its reply does not fit: "+status.Convert(err).Message())
	}
	return counted, nil
}

func (m *messageMemory) stream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	held := &heldStream{ServerStream: stream, memory: m, single: !info.IsClientStream}
	defer held.end()
	return handler(service, held)
}

// heldStream is a stream whose replies count, and its request if there is a single one.
type heldStream struct {
	grpc.ServerStream
	memory *messageMemory
	single bool

	mutex   sync.Mutex // a handler may leave a RecvMsg behind
	ended   bool
	request *hold
}

func (s *heldStream) end() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.ended = true
	s.request.release()
}

// RecvMsg implements grpc.ServerStream.
func (s *heldStream) RecvMsg(message any) error {
	err := s.ServerStream.RecvMsg(message)
	if err != nil || !s.single {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if !s.ended {
		s.request, err = s.memory.hold(s.Context(), largeSize(message))
	}
	return err
}

// SendMsg implements grpc.ServerStream.
func (s *heldStream) SendMsg(message any) error {
	message, err := s.memory.reply(s.Context(), message)
	if err != nil {
		return err
	}
	return s.ServerStream.SendMsg(message)
}

// largeSize returns the size of a message in bytes, or 0 if it does not count.
func largeSize(message any) int {
	if counted, ok := message.(proto.Message); ok {
		if size := proto.Size(counted); size > smallMessage {
			return size
		}
	}
	return 0
}

// hold counts a message of this size until its release. It returns nil for a size of 0.
func (m *messageMemory) hold(ctx context.Context, size int) (*hold, error) {
	if size == 0 {
		return nil, nil
	}
	from := Caller(ctx)
	if err := m.held.Acquire(from, size); err != nil {
		return nil, err
	}
	return &hold{give: func() { m.held.Release(from, size) }}, nil
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
func (m *messageMemory) reply(ctx context.Context, message any) (any, error) {
	size := largeSize(message)
	if size == 0 || !m.written || !inProto(ctx) {
		return message, nil
	}
	held, err := m.hold(ctx, size)
	if err != nil {
		return nil, err
	}
	// grpc-go does not tell when a compressed message is written. It can't be asked for once headers
	// are sent.
	_ = grpc.SetSendCompressor(ctx, encoding.Identity)
	return heldReply{message.(proto.Message), held}, nil
}

// heldReply is a reply that counts.
type heldReply struct {
	proto.Message
	held *hold
}

// inProto reports whether the messages of a call are marshalled by the codec of Protocol Buffers: it is
// grpc-go's for every type that no other codec is registered for.
func inProto(ctx context.Context) bool {
	kind := metadata.ValueFromIncomingContext(ctx, "content-type")
	if len(kind) != 1 {
		return false
	}
	name := strings.ToLower(strings.TrimLeft(strings.TrimPrefix(kind[0], "application/grpc"), "+;"))
	if encoding.GetCodec(name) != nil {
		return false
	}
	codec := encoding.GetCodecV2(name)
	_, ours := codec.(replyCodec)
	return codec == nil || ours
}

// replyCodec marshals the replies that count, and leaves all else to the codec of grpc-go. A program
// may register another one later, which knows of no such replies.
type replyCodec struct{ encoding.CodecV2 }

// replyCodecRegistered is set while the program is initialized: grpc-go looks codecs up without a lock.
var replyCodecRegistered = registerReplyCodec()

func registerReplyCodec() bool {
	codec := encoding.GetCodecV2(protocodec.Name)
	if codec != nil {
		encoding.RegisterCodecV2(replyCodec{codec})
	}
	return codec != nil
}

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
