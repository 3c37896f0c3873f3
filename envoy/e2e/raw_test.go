package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
)

// emptyMessage is an empty message in gRPC's framing: not compressed, length 0.
const emptyMessage = "\x00\x00\x00\x00\x00"

// reply holds the response to a raw request.
type reply struct {
	status  int // of HTTP
	code    codes.Code
	message string // of gRPC
	header  http.Header
	body    string
}

// raw calls a method by hand, to send what no gRPC client would. It sends the request exactly as
// change leaves it.
func (e *edge) raw(t *testing.T, method string, change func(*http.Request)) (reply, error) {
	t.Helper()
	return e.rawBy(t, e.browser(t, true), method, change)
}

// request returns the request of a call by hand, with an empty message.
func (e *edge) request(t *testing.T, method string, change func(*http.Request)) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(callContext(t), http.MethodPost, "https://"+e.address(), strings.NewReader(emptyMessage))
	if err != nil {
		t.Fatal(err)
	}
	request.URL.Opaque = method
	request.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}}
	if change != nil {
		change(request)
	}
	return request
}

func (e *edge) rawBy(t *testing.T, client *http.Client, method string, change func(*http.Request)) (reply, error) {
	t.Helper()
	response, err := client.Do(e.request(t, method, change))
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body) // trailers come after it
	if err != nil {
		return reply{}, fmt.Errorf("reading the reply: %w", err)
	}
	r := reply{status: response.StatusCode, code: codes.Unknown, header: response.Header, body: string(body)}
	for _, part := range []http.Header{response.Header, response.Trailer, webTrailer(t, response.Header.Get("Content-Type"), body)} {
		if number, err := strconv.ParseUint(part.Get("Grpc-Status"), 10, 32); err == nil {
			r.code, r.message = codes.Code(number), part.Get("Grpc-Message")
		}
	}
	return r, nil
}

// webTrailer returns the trailer that gRPC-Web has in the body, and nil for other protocols.
func webTrailer(t *testing.T, contentType string, body []byte) http.Header {
	t.Helper()
	if !strings.HasPrefix(contentType, "application/grpc-web") {
		return nil
	}
	if strings.HasPrefix(contentType, "application/grpc-web-text") {
		body = decodeBase64(t, body)
	}
	_, trailer := splitFrames(t, body)
	header, err := textproto.NewReader(bufio.NewReader(strings.NewReader(trailer + "\r\n"))).ReadMIMEHeader()
	if err != nil {
		t.Fatalf("the trailer %q: %v", trailer, err)
	}
	return http.Header(header)
}

// web makes a request one that is not gRPC.
func web(request *http.Request) {
	request.Header.Set("Content-Type", "application/json")
}
