package chaos

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/proto"

	echo "example.com/grpc-edge/services/echo/api"
)

// These are the timeouts of the edge (envoy/listener.go, envoy/limits.go) and of the services
// (services/chassis/arrival.go). slowMargin is how much later the test may see them.
const (
	handshakeTimeout = 10 * time.Second
	headerTimeout    = 10 * time.Second
	messageTimeout   = 30 * time.Second
	flushTimeout     = 30 * time.Second
	slowMargin       = 5 * time.Second
)

// slowClients is the number of clients of each kind.
const slowClients = 250

// slow describes a kind of client that begins something and stalls.
type slow struct {
	what  string
	begin func(ctx context.Context, s *Sandbox) (net.Conn, error)
	// within is the timeout after which it is ended.
	within time.Duration
	// deaf clients read nothing until the timeout.
	deaf bool
}

// slowKinds lists the kinds. The service ends half a message, because to the edge it may be an
// idle stream.
var slowKinds = []slow{
	{what: "half a handshake", begin: halfHandshake, within: handshakeTimeout},
	{what: "half a header", begin: halfHeader, within: headerTimeout},
	{what: "half a message", begin: halfMessage, within: messageTimeout},
	{what: "a reply that is not read", begin: unreadReply, within: flushTimeout, deaf: true},
}

// stallClients opens all connections, and waits until all are ended.
func stallClients(ctx context.Context, s *Sandbox) error {
	edge, err := s.usages(ctx, "envoy")
	if err != nil {
		return err
	}
	var wait sync.WaitGroup
	errs := make(chan error, len(slowKinds)*slowClients)
	places := make(chan struct{}, openers) // for handshakes
	for _, kind := range slowKinds {
		for range slowClients {
			wait.Go(func() {
				places <- struct{}{}
				connection, err := kind.begin(ctx, s)
				<-places
				if err != nil {
					errs <- fmt.Errorf("beginning %s: %w", kind.what, err)
					return
				}
				defer connection.Close()
				errs <- kind.ended(connection)
			})
		}
	}
	wait.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	s.note("%d clients of each kind: all ended within the limit and %s", slowClients, slowMargin)
	if _, err := edge[0].read(); err != nil {
		return err
	}
	return s.within(edge)
}

// ended waits until the connection or its stream is ended.
func (k slow) ended(connection net.Conn) error {
	if k.deaf {
		time.Sleep(k.within)
	}
	_ = connection.SetReadDeadline(time.Now().Add(k.within + slowMargin))
	for framer := http2.NewFramer(io.Discard, connection); ; {
		frame, err := framer.ReadFrame()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("%s is not ended within %s", k.what, k.within+slowMargin)
		}
		if err != nil { // the connection was ended
			return nil
		}
		switch frame := frame.(type) {
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return nil
		case *http2.HeadersFrame:
			if frame.StreamEnded() { // 408
				return nil
			}
		}
	}
}

func halfHandshake(ctx context.Context, s *Sandbox) (net.Conn, error) {
	raw, err := connect(ctx, s)
	if err != nil {
		return nil, err
	}
	_, err = raw.Write([]byte{22, 3, 1})
	return raw, err
}

func halfHeader(ctx context.Context, s *Sandbox) (net.Conn, error) {
	f, err := greeted(ctx, s, "h2")
	if err != nil {
		return nil, err
	}
	return f, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: s.header()})
}

func halfMessage(ctx context.Context, s *Sandbox) (net.Conn, error) {
	f, err := greeted(ctx, s, "h2")
	if err != nil {
		return nil, err
	}
	return f, errors.Join(f.open(1, s.header()), f.WriteData(1, false, []byte{0, 0, 1}))
}

// unreadReply requests a reply that exceeds its window (RFC 9113, section 6.9.2).
func unreadReply(ctx context.Context, s *Sandbox) (net.Conn, error) {
	f, err := greeted(ctx, s, "h2")
	if err != nil {
		return nil, err
	}
	return f, errors.Join(f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000}),
		f.open(1, s.header()), f.writeMessage(1, strings.Repeat("x", 50_000)))
}

// writeMessage sends a complete message of api.Echo and ends the request.
func (f *frames) writeMessage(stream uint32, content string) error {
	message, err := proto.Marshal(&echo.EchoRequest{Content: content})
	if err != nil {
		return err
	}
	framed := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	for part := range slices.Chunk(framed, 16<<10) {
		if err := f.WriteData(stream, false, part); err != nil {
			return err
		}
	}
	return f.WriteData(stream, true, nil)
}
