package chassis

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// TestStreamsByRESTBreakOff has a stream fail after so many messages. Go's client refuses
// the message that the edge can't read as INTERNAL; without it the code is the handler's.
func TestStreamsByRESTBreakOff(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rest     bool
		messages int
		want     codes.Code
	}{{true, 1, codes.Internal}, {true, 0, codes.DataLoss}, {false, 1, codes.DataLoss}} {
		client := start(t, settings{}, handlers{
			stream: func(stream grpc_testing.TestService_FullDuplexCallServer) error {
				for range test.messages {
					if err := stream.Send(&grpc_testing.StreamingOutputCallResponse{}); err != nil {
						return err
					}
				}
				return status.Error(codes.DataLoss, "half-way")
			},
		}).client()
		ctx := bounded(t)
		if test.rest {
			ctx = metadata.AppendToOutgoingContext(ctx, originalPathHeader, "/v1/x")
		}
		stream, err := client.FullDuplexCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for range test.messages {
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := stream.Recv(); status.Code(err) != test.want {
			t.Errorf("by REST %v, after %d messages: %v, want %v", test.rest, test.messages, err, test.want)
		}
	}
}

// TestRESTBreaksOffAtTheDeadline has a handler that ignores its context.
func TestRESTBreaksOffAtTheDeadline(t *testing.T) {
	t.Parallel()
	client := start(t, settings{}, handlers{
		stream: func(stream grpc_testing.TestService_FullDuplexCallServer) error {
			if err := stream.Send(&grpc_testing.StreamingOutputCallResponse{}); err != nil {
				return err
			}
			_, err := stream.Recv()
			return err
		},
	}).client()
	stream, err := client.FullDuplexCall(metadata.AppendToOutgoingContext(bounded(t), originalPathHeader, "/v1/x", deadlineHeader, "500m"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.Internal {
		t.Errorf("after its deadline the stream ends with %v, want a message that cannot be read", err)
	}
}
