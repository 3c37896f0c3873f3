package chassis

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
)

func TestErrorsFitIntoHeaders(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		message         string
		detail          int // bytes of the only detail; 0 for none
		kept            bool
		wantBegin, want string
	}{
		"as it is":          {"no", 1000, true, "no", ""},
		"largest detail":    {"no", maxErrorDetails - 100, true, "no", ""},
		"too large detail":  {"no", maxErrorDetails, false, "no (dropped 1 details: ", "too large for a header"},
		"70 KiB of detail":  {"no", 70 << 10, false, "no (dropped 1 details: ", "too large for a header"},
		"long message":      {strings.Repeat("é", 70<<10), 0, false, strings.Repeat("é", maxErrorMessage/2), "the beginning of 143360 bytes"},
		"both of them long": {strings.Repeat("x", 70<<10), 70 << 10, false, "xxx", "too large for a header"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failure := status.New(codes.FailedPrecondition, test.message)
			if test.detail > 0 {
				var err error
				if failure, err = failure.WithDetails(&errdetails.DebugInfo{Detail: strings.Repeat("d", test.detail)}); err != nil {
					t.Fatal(err)
				}
			}
			client := start(t, settings{}, handlers{
				unary: func(context.Context, *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
					return nil, failure.Err()
				},
				stream: func(grpc_testing.TestService_FullDuplexCallServer) error { return failure.Err() },
			}).client()
			_, unary := client.UnaryCall(bounded(t), &grpc_testing.SimpleRequest{})
			stream, err := client.FullDuplexCall(bounded(t))
			if err != nil {
				t.Fatal(err)
			}
			_, streamed := stream.Recv()
			for _, err := range []error{unary, streamed} {
				got := status.Convert(err)
				if got.Code() != codes.FailedPrecondition || !strings.HasPrefix(got.Message(), test.wantBegin) || !strings.Contains(got.Message(), test.want) {
					t.Errorf("the caller got %v: %.200s, %d bytes, want FAILED_PRECONDITION, beginning with %.20s, and %q",
						got.Code(), got.Message(), len(got.Message()), test.wantBegin, test.want)
				}
				if kept := len(got.Details()) > 0; kept != test.kept {
					t.Errorf("the caller got the detail: %v, want %v", kept, test.kept)
				}
			}
		})
	}
}
