package chassis

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"
)

// originalPathHeader is a header that the edge adds to a call that came by REST, and
// removes from what callers send (Envoy, grpc_json_transcoder filter).
const originalPathHeader = "x-envoy-original-path"

// fromREST reports whether the call came by REST.
func fromREST(ctx context.Context) bool {
	return len(metadata.ValueFromIncomingContext(ctx, originalPathHeader)) > 0
}

// breakREST makes the edge break off a stream by REST that fails after its first message, also at its
// deadline.
// The status 200 has been sent by then, and a page can't read trailers: an incomplete list
// would look complete. The edge resets a stream whose message it can't read.
func breakREST(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if !fromREST(stream.Context()) {
		return handler(service, stream)
	}
	counted := &countedStream{ServerStream: stream}
	err := handler(service, counted)
	// After the deadline a handler may still be sending.
	if err != nil && counted.sending.TryLock() {
		defer counted.sending.Unlock()
		if counted.sent {
			_ = stream.SendMsg(unreadable())
		}
	}
	return err
}

// unreadable returns a message that no type can parse: it ends within a field. No type has a field
// of this number, which the Protocol Buffers language guide reserves ("Assigning Field Numbers").
func unreadable() *emptypb.Empty {
	const reserved, length = 19000, 127
	message := &emptypb.Empty{}
	message.ProtoReflect().SetUnknown(append(protowire.AppendTag(nil, reserved, protowire.BytesType), length))
	return message
}

// countedStream notes whether a message was sent.
type countedStream struct {
	grpc.ServerStream
	sending sync.Mutex
	sent    bool
}

// SendMsg implements grpc.ServerStream.
func (s *countedStream) SendMsg(message any) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.sent = true
	return s.ServerStream.SendMsg(message)
}
