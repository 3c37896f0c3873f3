package e2e

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frames is an HTTP/2 client that need not follow the protocol's rules.
type frames struct {
	*http2.Framer
	connection net.Conn
	block      bytes.Buffer
	encoder    *hpack.Encoder
}

// frames opens a connection and says the first words of HTTP/2.
func (e *edge) frames(t *testing.T, settings ...http2.Setting) *frames {
	t.Helper()
	f := &frames{connection: e.connect(t, "h2")}
	f.Framer = http2.NewFramer(f.connection, f.connection)
	f.AllowIllegalWrites = true
	f.encoder = hpack.NewEncoder(&f.block)
	if _, err := f.connection.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteSettings(settings...); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestMaxStreams reads from the edge's first frame how many calls a connection may have.
func TestMaxStreams(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	config.MaxStreams = 7
	frame, err := start(t, config).frames(t).ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	settings, ok := frame.(*http2.SettingsFrame)
	if !ok {
		t.Fatalf("the first frame is %v, want SETTINGS", frame)
	}
	if got, _ := settings.Value(http2.SettingMaxConcurrentStreams); got != config.MaxStreams {
		t.Errorf("the edge allows %d streams, want %d", got, config.MaxStreams)
	}
}

// connect opens a TLS connection for one protocol, which ends with the test.
func (e *edge) connect(t *testing.T, protocol string) *tls.Conn {
	t.Helper()
	client := e.ca.client()
	client.NextProtos = []string{protocol}
	connection, err := tls.Dial("tcp4", e.address(), client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	_ = connection.SetDeadline(time.Now().Add(2 * callLimit))
	return connection
}

// call returns the header fields of a gRPC call, and additional ones.
func call(method string, more ...hpack.HeaderField) []hpack.HeaderField {
	return append([]hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: serverName},
		{Name: ":path", Value: method}, {Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"},
	}, more...)
}

// encode encodes header fields as a block of HPACK.
func (f *frames) encode(fields []hpack.HeaderField) []byte {
	f.block.Reset()
	for _, field := range fields {
		_ = f.encoder.WriteField(field) // to a buffer
	}
	return bytes.Clone(f.block.Bytes())
}

// open begins a stream.
func (f *frames) open(stream uint32, fields []hpack.HeaderField) error {
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: f.encode(fields), EndHeaders: true})
}

// ended reads until the server has ended the stream or the connection, and tells
// how: "closed", "GOAWAY CODE", "RST_STREAM CODE", or the status of HTTP and gRPC.
func (f *frames) ended(stream uint32) (string, error) {
	decoder := hpack.NewDecoder(4096, nil)
	var statuses []string
	for {
		frame, err := f.ReadFrame()
		var broken net.Error
		switch {
		case errors.As(err, &broken) && broken.Timeout():
			return "", fmt.Errorf("the server has not ended it: %w", err)
		case err != nil:
			return "closed", nil
		}
		switch frame := frame.(type) {
		case *http2.GoAwayFrame:
			return "GOAWAY " + frame.ErrCode.String(), nil
		case *http2.RSTStreamFrame:
			if frame.StreamID == stream {
				return strings.Join(append(statuses, "RST_STREAM "+frame.ErrCode.String()), " "), nil
			}
		case *http2.HeadersFrame:
			fields, err := decoder.DecodeFull(frame.HeaderBlockFragment())
			if err != nil {
				return "", err
			}
			for _, field := range fields {
				if field.Name == ":status" || field.Name == "grpc-status" {
					statuses = append(statuses, field.Name+" "+field.Value)
				}
			}
			if frame.StreamID == stream && frame.StreamEnded() {
				return strings.Join(statuses, " "), nil
			}
		case *http2.DataFrame:
			if frame.StreamID == stream && frame.StreamEnded() {
				return strings.Join(statuses, " "), nil
			}
		}
	}
}
