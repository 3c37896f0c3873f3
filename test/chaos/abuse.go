package chaos

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	echo "example.com/grpc-edge/services/echo/api"
)

// These bound the attacks. When the edge has closed its connection, an attacker waits for
// attackPause and reconnects. Attackers and edge share two cores, so without limits the test
// would measure the machine.
const (
	attackers   = 10
	attackTime  = 12 * time.Second
	attackPause = 500 * time.Millisecond
	// attackLimit bounds one connection.
	attackLimit = 5 * time.Second
)

// undisturbed requires that the usual load loses no call, and that its p99 stays bounded.
var undisturbed = Promise{Slower: 5, After: time.Second}

// abuse lists attacks of clients from outside. envoy/e2e tests what Envoy answers to each.
var abuse = []Event{
	{
		Key: "abuse-resets", Title: "Rapid resets: streams opened and reset at once", Do: attack(rapidReset),
		// Each connection may open a thousand streams before it is closed. So many calls a
		// second use all CPU of the machine, which attackers and edge share here.
		Promise: Promise{Slower: 30, After: time.Second},
	},
	{Key: "abuse-floods", Title: "Floods of PING, SETTINGS, empty DATA and PRIORITY frames", Promise: undisturbed, Do: attack(floods)},
	{Key: "abuse-headers", Title: "Header bombs and endless CONTINUATION", Promise: undisturbed, Do: attack(headerBombs)},
	{Key: "abuse-violations", Title: "Violations of HTTP/2 and HTTP/1.1", Promise: undisturbed, Do: attack(violations)},
	{Key: "abuse-slow", Title: "A thousand slow clients: half a handshake, half a header, half a message, an unread reply", Promise: Promise{Slower: 5, After: 5 * time.Second}, Do: stallClients},
	{Key: "abuse-tls", Title: "Malformed TLS and plaintext", Promise: undisturbed, Do: attack(malformedTLS)},
	{Key: "abuse-oversized", Title: "Messages of 5 MB by gRPC and REST, paths of 100 kB", Promise: undisturbed, Do: attack(oversized)},
}

// attack runs once over and over in each attacker. Each run gets another number.
func attack(once func(ctx context.Context, s *Sandbox, n int) error) func(context.Context, *Sandbox) error {
	return func(ctx context.Context, s *Sandbox) error {
		end := time.Now().Add(attackTime)
		errs := make(chan error, attackers)
		var wait sync.WaitGroup
		for n := range attackers {
			wait.Go(func() {
				for i := n; time.Now().Before(end) && ctx.Err() == nil; i += attackers {
					bounded, cancel := context.WithTimeout(ctx, attackLimit)
					err := once(bounded, s, i)
					cancel()
					if err != nil {
						errs <- err
						return
					}
					time.Sleep(attackPause)
				}
			})
		}
		wait.Wait()
		select {
		case err := <-errs:
			return err
		default:
			return ctx.Err()
		}
	}
}

// sandboxLink is the host's link into the sandbox (sandbox/node/network). It has a second address, for
// attackers: to the edge, they are another caller than the usual load.
const sandboxLink = "grpc-edge0"

// attackersAddress returns the second address of sandboxLink.
func attackersAddress() (net.IP, error) {
	link, err := net.InterfaceByName(sandboxLink)
	if err != nil {
		return nil, fmt.Errorf("finding the link %s: %w", sandboxLink, err)
	}
	addresses, err := link.Addrs()
	if err != nil {
		return nil, err
	}
	var own []net.IP
	for _, address := range addresses {
		if ip, _, err := net.ParseCIDR(address.String()); err == nil && ip.To4() != nil {
			own = append(own, ip)
		}
	}
	if len(own) != 2 {
		return nil, fmt.Errorf("the link %s has the addresses %v, want two: one for attackers", sandboxLink, own)
	}
	return own[1], nil
}

// connect opens an attacker's TCP connection. A healthy edge always accepts it.
func connect(ctx context.Context, s *Sandbox) (net.Conn, error) {
	own, err := attackersAddress()
	if err != nil {
		return nil, err
	}
	connection, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: own}}).DialContext(ctx, "tcp", s.Target.Address)
	if err != nil {
		return nil, fmt.Errorf("an attacker cannot even connect: %w", err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = connection.SetDeadline(deadline)
	}
	return connection, nil
}

// frames is a connection on which a test writes its own HTTP/2 frames.
type frames struct {
	*http2.Framer
	net.Conn
}

// greeted opens a TLS connection with the protocol. For h2 it also sends the preface and
// SETTINGS.
func greeted(ctx context.Context, s *Sandbox, protocol string) (*frames, error) {
	raw, err := connect(ctx, s)
	if err != nil {
		return nil, err
	}
	config := s.Target.TLS.Clone()
	config.NextProtos = []string{protocol}
	connection := tls.Client(raw, config)
	if err := connection.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("an attacker's handshake: %w", err)
	}
	f := &frames{http2.NewFramer(connection, connection), connection}
	if protocol == "h2" {
		_, _ = connection.Write([]byte(http2.ClientPreface))
		_ = f.WriteSettings()
	}
	return f, nil
}

func (s *Sandbox) header(more ...hpack.HeaderField) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	fields := []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "https"}, {Name: ":path", Value: "/api.Echo/Echo"},
		{Name: ":authority", Value: s.Target.TLS.ServerName}, {Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"},
	}
	for _, field := range append(fields, more...) {
		_ = encoder.WriteField(field) // to memory
	}
	return block.Bytes()
}

func (f *frames) open(stream uint32, block []byte) error {
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true})
}

// flood sends n frames, or fewer if the server closes the connection. It reads no answer.
func (f *frames) flood(n int, kind http2.FrameType, stream uint32, payload []byte) {
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	frame = binary.BigEndian.AppendUint32(append(frame, 0), stream)
	many := bytes.Repeat(append(frame, payload...), 100)
	for ; n > 0; n -= 100 {
		if _, err := f.Write(many); err != nil {
			return
		}
	}
}

// The edge is expected to close an attacker's connection. Only failures before an attack
// has begun are errors.

func rapidReset(ctx context.Context, s *Sandbox, _ int) error {
	f, err := greeted(ctx, s, "h2")
	if err != nil {
		return err
	}
	defer f.Close()
	block := s.header()
	for i := range uint32(2000) {
		if f.open(2*i+1, block) != nil || f.WriteRSTStream(2*i+1, http2.ErrCodeCancel) != nil {
			return nil
		}
	}
	return nil
}

func floods(ctx context.Context, s *Sandbox, n int) error {
	f, err := greeted(ctx, s, "h2")
	if err != nil {
		return err
	}
	defer f.Close()
	switch n % 4 {
	case 0:
		f.flood(200_000, http2.FramePing, 0, make([]byte, 8))
	case 1:
		f.flood(200_000, http2.FrameSettings, 0, nil)
	case 2:
		_ = f.open(1, s.header())
		f.flood(1000, http2.FrameData, 1, nil)
	case 3:
		f.flood(10_000, http2.FramePriority, 1, []byte{0, 0, 0, 3, 0})
	}
	return nil
}

func headerBombs(ctx context.Context, s *Sandbox, n int) error {
	f, err := greeted(ctx, s, "h2")
	if err != nil {
		return err
	}
	defer f.Close()
	large := hpack.HeaderField{Name: "x-bomb", Value: strings.Repeat("x", 3900)}
	if n%2 == 0 {
		block := s.header(large)
		// The block repeats the newest entry of the dynamic table.
		_ = f.open(1, append(block, bytes.Repeat([]byte{0x80 | 62}, 12_000)...))
	} else {
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: s.header()})
		f.flood(2000, http2.FrameContinuation, 1, s.header(large))
	}
	_, _ = f.ReadFrame()
	return nil
}

// brokenFrames send the first frames of an HTTP/2 connection, each with a violation.
var brokenFrames = []func(f *frames, block []byte){
	func(f *frames, _ []byte) { _ = f.open(1, []byte("\xff\xff\xff\xff\xff\xff")) },
	func(f *frames, block []byte) { _ = f.open(2, block) },
	func(f *frames, _ []byte) { _ = f.WriteData(1, true, []byte("none")) },
	func(f *frames, block []byte) { _ = f.open(1, block); _ = f.WriteData(1, true, make([]byte, 20<<10)) },
	func(f *frames, _ []byte) { _ = f.WriteWindowUpdate(0, 1<<31-1) },
	func(f *frames, block []byte) { _ = f.open(1, block); _ = f.open(1, block) },
	func(f *frames, block []byte) {
		_ = f.open(1, block)
		_, _ = f.Write([]byte("\x00\x40\x00\x00\x00half"))
	},
}

var brokenRequests = []string{
	"\x00\x01\x02 nonsense\r\n\r\n",
	"POST /api.Echo/Echo HTTP/1.1\r\n\r\n",
	"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Many: x\r\n", 200) + "\r\n",
}

func violations(ctx context.Context, s *Sandbox, n int) error {
	if n%2 == 0 {
		f, err := greeted(ctx, s, "http/1.1")
		if err != nil {
			return err
		}
		defer f.Close()
		_, _ = f.Write([]byte(brokenRequests[n/2%len(brokenRequests)]))
		_, _ = f.Read(make([]byte, 100))
		return nil
	}
	f, err := greeted(ctx, s, "h2")
	if err != nil {
		return err
	}
	defer f.Close()
	brokenFrames[n/2%len(brokenFrames)](f, s.header())
	for err == nil && ctx.Err() == nil {
		_, err = f.ReadFrame()
	}
	return nil
}

func malformedTLS(ctx context.Context, s *Sandbox, n int) error {
	raw, err := connect(ctx, s)
	if err != nil {
		return err
	}
	defer raw.Close()
	first := [][]byte{
		[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), []byte(http2.ClientPreface), bytes.Repeat([]byte{0xff}, 1000),
		append([]byte{22, 3, 1, 0x40, 0}, make([]byte, 0x4000)...), {22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff}, {21, 3, 3, 0, 2, 2, 40},
	}
	_, _ = raw.Write(first[n%len(first)])
	_ = raw.SetDeadline(time.Now().Add(time.Second))
	_, _ = raw.Read(make([]byte, 100))
	return nil
}

// oversized sends messages and paths above the limits. The edge must refuse messages with
// the right status.
func oversized(ctx context.Context, s *Sandbox, n int) error {
	switch n % attackers {
	case 0, 1:
		return s.oversizedMessage(ctx)
	case 2:
		return s.oversizedBody(ctx)
	case 3:
		return s.oversizedPath(ctx)
	default: // more such attackers would use all CPU of the machine
		<-ctx.Done()
		return nil
	}
}

// tooLong is above the services' limit of 4 MiB.
var tooLong = strings.Repeat("x", 5<<20)

// transport returns an attacker's client for HTTP/2.
func (s *Sandbox) transport() *http.Transport {
	return &http.Transport{TLSClientConfig: s.Target.TLS.Clone(), ForceAttemptHTTP2: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return connect(ctx, s)
	}}
}

func (s *Sandbox) oversizedBody(ctx context.Context) error {
	transport := s.transport()
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+s.Target.TLS.ServerName+"/v1/echo", strings.NewReader(`{"content":"`+tooLong+`"}`))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("a body of 5 MB: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestEntityTooLarge {
		return fmt.Errorf("a body of 5 MB is answered with %s, want 413", response.Status)
	}
	return nil
}

func (s *Sandbox) oversizedPath(ctx context.Context) error {
	f, err := greeted(ctx, s, "h2")
	if err != nil {
		return err
	}
	defer f.Close()
	var block bytes.Buffer
	_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":path", Value: "/" + strings.Repeat("x", 100_000)}) // to memory
	parts := slices.Collect(slices.Chunk(block.Bytes(), 16<<10))
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: parts[0]})
	for i, part := range parts[1:] {
		_ = f.WriteContinuation(1, i == len(parts)-2, part)
	}
	_, _ = f.ReadFrame()
	return nil
}

// dial returns an attacker's connection for calls by gRPC.
func (s *Sandbox) dial(more ...grpc.DialOption) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+s.Target.Address, append(more,
		grpc.WithTransportCredentials(credentials.NewTLS(s.Target.TLS)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return connect(ctx, s) }))...)
}

func (s *Sandbox) oversizedMessage(ctx context.Context) error {
	connection, err := s.dial()
	if err != nil {
		return err
	}
	defer connection.Close()
	_, err = echo.NewEchoClient(connection).Echo(ctx, &echo.EchoRequest{Content: tooLong})
	if status.Code(err) != codes.ResourceExhausted {
		return fmt.Errorf("a message of 5 MB: %w, want RESOURCE_EXHAUSTED", err)
	}
	return nil
}
