package loadgen

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	echo "example.com/grpc-edge/services/echo/api"
)

// body describes how a protocol over HTTP encodes a call.
type body interface {
	// request returns the path, the headers and the body of a call.
	request() (path string, header http.Header, body []byte)
	// check returns an error if the answer is wrong.
	check(response *http.Response, body []byte) error
}

// httpClient makes calls over HTTP/2 with net/http, as a browser or a REST client does.
type httpClient struct {
	body
	url       string
	transport *http.Transport
}

func newHTTP(target Target, b body) client {
	c := httpClient{body: b, url: "https://" + target.TLS.ServerName, transport: &http.Transport{
		TLSClientConfig:   target.TLS.Clone(),
		ForceAttemptHTTP2: true,
		// PINGs detect a dead connection.
		HTTP2: &http.HTTP2Config{SendPingTimeout: time.Second, PingTimeout: pingTimeout},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, target.Address)
		},
	}}
	return client{c.call, c.transport.CloseIdleConnections}
}

// call makes one call with the deadline of ctx. It counts retries by the connections taken:
// net/http takes another one for each retry.
func (c httpClient) call(ctx context.Context) error {
	var taken atomic.Int32
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { taken.Add(1) }})
	defer func() { addRetries(ctx, max(0, int(taken.Load())-1)) }()
	header := http.Header{}
	if deadline, ok := ctx.Deadline(); ok {
		header.Set("grpc-timeout", strconv.FormatInt(time.Until(deadline).Milliseconds(), 10)+"m")
	}
	return c.post(ctx, header)
}

// post makes one call, with these headers in addition to those of the body.
func (c httpClient) post(ctx context.Context, more http.Header) error {
	path, header, sent := c.request()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, bytes.NewReader(sent))
	if err != nil {
		return err
	}
	maps.Copy(header, more)
	request.Header = header
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if err := c.check(response, answer); err != nil {
		err = fmt.Errorf("status %d, grpc-status %q: %w", response.StatusCode, response.Header.Get("grpc-status"), err)
		return cmp.Or(refusal(response, err), err)
	}
	return nil
}

// refusal returns RESOURCE_EXHAUSTED for the HTTP status 429 (google/rpc/code.proto), and
// nil for others.
func refusal(response *http.Response, why error) error {
	if response.StatusCode == http.StatusTooManyRequests {
		return status.Error(codes.ResourceExhausted, why.Error())
	}
	return nil
}

// restBody is a call in JSON of a method whose messages have a content.
type restBody struct{ path, content, want string }

func (b restBody) request() (string, http.Header, []byte) {
	text, _ := json.Marshal(map[string]string{"content": b.content}) // cannot fail
	return b.path, http.Header{"Content-Type": {"application/json"}}, text
}

func (b restBody) check(_ *http.Response, body []byte) error {
	var reply struct{ Content string }
	if err := json.Unmarshal(body, &reply); err != nil || reply.Content != b.want {
		return wrongAnswer(string(body))
	}
	return nil
}

// webBody is a call of api.Echo in binary gRPC-Web (grpc/grpc, doc/PROTOCOL-WEB.md).
type webBody struct{}

// trailers is the bit in the first byte of a frame that marks trailers.
const trailers = 0x80

func (webBody) request() (string, http.Header, []byte) {
	message, _ := proto.Marshal(&echo.EchoRequest{Content: content}) // cannot fail
	framed := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return "/api.Echo/Echo", http.Header{"Content-Type": {"application/grpc-web+proto"}, "X-Grpc-Web": {"1"}}, append(framed, message...)
}

func (webBody) check(_ *http.Response, body []byte) error {
	var reply echo.EchoResponse
	status := ""
	for rest := body; len(rest) >= 5; {
		size := int(binary.BigEndian.Uint32(rest[1:5]))
		if len(rest) < 5+size {
			return fmt.Errorf("a frame is cut: %w", io.ErrUnexpectedEOF)
		}
		frame := rest[5 : 5+size]
		if rest[0]&trailers != 0 {
			status = strings.ToLower(string(frame))
		} else if err := proto.Unmarshal(frame, &reply); err != nil {
			return err
		}
		rest = rest[5+size:]
	}
	if !strings.Contains(status, "grpc-status:0") || reply.GetContent() != content {
		return fmt.Errorf("trailers %.80q: %w", status, wrongAnswer(reply.GetContent()))
	}
	return nil
}
