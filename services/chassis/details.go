package chassis

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// The size limits of an error, in bytes. An error travels in headers. Headers that are too
// large for a peer end its whole connection, with the calls of others on it. The edge
// accepts 256 KiB for one header (envoy/cluster.go), and base64 adds a third to the details.
// Clients accept less: grpc-java and C-core 8 KiB for all headers by default.
const (
	maxErrorDetails = 32 << 10
	maxErrorMessage = 4 << 10
)

// smallErrorUnary drops the parts of a handler's error that make it too large.
func smallErrorUnary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	reply, err := handler(ctx, request)
	return reply, smallError(err)
}

// smallErrorStream is smallErrorUnary for streams.
func smallErrorStream(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	return smallError(handler(service, stream))
}

// smallError keeps the code of an error. It cuts a message that is too long, and drops
// details that are too large. The message says so.
func smallError(err error) error {
	if err == nil {
		return nil
	}
	s, known := status.FromError(err)
	if !known {
		s = status.FromContextError(err)
	}
	full := s.Proto()
	if proto.Size(full) <= maxErrorMessage {
		return err
	}
	if length := len(full.GetMessage()); length > maxErrorMessage {
		full.Message = fmt.Sprintf("%s… (this is the beginning of %d bytes, too many for a header)",
			strings.ToValidUTF8(full.GetMessage()[:maxErrorMessage], ""), length)
	}
	if size := proto.Size(full); size > maxErrorDetails {
		full.Message += fmt.Sprintf(" (dropped %d details: with %d bytes they are too large for a header)", len(full.GetDetails()), size)
		full.Details = nil
	}
	return status.FromProto(full).Err()
}
