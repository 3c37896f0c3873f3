package run

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"example.com/grpc-edge/cmd/contract/check"
	"example.com/grpc-edge/internal/wait"
)

// other is an address of this machine. A program that listens only on 127.0.0.1 cannot be
// reached at it.
const other = "127.0.0.2"

// lastLines is the number of lines of the program's log that a problem shows.
const lastLines = 20

// Checks configures Check.
type Checks struct {
	// Start is the time that the program has until its health is SERVING.
	Start time.Duration
	// Pings also sends PINGs at the edge's interval, which takes 22 seconds.
	Pings bool
}

// Check reports which rules a program that was just started breaks, and stops it as
// Kubernetes does. It ends early at a problem that hides the following ones.
func Check(ctx context.Context, p *Program, checks Checks) []check.Problem {
	if problem := p.serves(ctx, checks.Start); problem != "" {
		return []check.Problem{{Text: problem + p.lastLog()}}
	}
	var problems []check.Problem
	if problem := p.acceptsHeaders(ctx); problem != "" {
		problems = append(problems, check.Problem{Text: problem})
	}
	if checks.Pings {
		if problem := p.allowsPings(); problem != "" {
			problems = append(problems, check.Problem{Text: problem})
		}
	}
	return append(problems, p.terminates(ctx)...)
}

// freePort returns a port, or another one if something on this machine has it.
func freePort(port int) (int, error) {
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		listener, err = net.Listen("tcp", ":0")
	}
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func (p *Program) address(host string) string { return fmt.Sprintf("%s:%d", host, p.Port) }

// Dial returns a connection to the program.
func (p *Program) Dial() (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+p.address(other), grpc.WithTransportCredentials(insecure.NewCredentials()))
}

// serves waits until the program reports that it is healthy. It returns what is wrong if
// the program does not.
func (p *Program) serves(ctx context.Context, atMost time.Duration) string {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	connection, err := p.Dial()
	if err != nil {
		return err.Error()
	}
	defer connection.Close()
	for {
		problem := p.health(ctx, connection)
		if problem == "" {
			return ""
		}
		if code, ended := p.Ended(); ended {
			return fmt.Sprintf("the program ended with exit code %d, and must run until SIGTERM", code)
		}
		if wait.For(ctx, 200*time.Millisecond) != nil {
			return fmt.Sprintf("after %s, %s", atMost, problem)
		}
	}
}

func (p *Program) health(ctx context.Context, connection *grpc.ClientConn) string {
	attempt, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	connection.ResetConnectBackoff()
	reply, err := grpc_health_v1.NewHealthClient(connection).Check(attempt, &grpc_health_v1.HealthCheckRequest{})
	switch code := status.Code(err); {
	case err == nil && reply.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING:
		return ""
	case err == nil:
		return fmt.Sprintf("the health of the whole server, which has the empty name, is %s and not SERVING", reply.GetStatus())
	case code == codes.Unimplemented:
		return "the program answers by gRPC, and has no health service: it must serve grpc.health.v1.Health on the same port"
	case p.listens("127.0.0.1") && !p.listens(other):
		return fmt.Sprintf("the program listens on 127.0.0.1 alone: it must listen on all addresses, such as 0.0.0.0:%d", p.Port)
	case !p.listens(other):
		return fmt.Sprintf("nothing listens on port %d, which the variable PORT says", p.Port)
	default:
		return fmt.Sprintf("what listens on port %d does not answer a gRPC health check without TLS: %s", p.Port, status.Convert(err).Message())
	}
}

// The size of request headers that a program must accept, in bytes: the edge forwards up to 16
// KiB of a client's (envoy/limits.go), and adds its own. The check stays a little below it, as
// servers count some bytes for each header.
const (
	headersWanted = 32 << 10
	headersSent   = 8
	headerSent    = (headersWanted - 2<<10) / headersSent
)

// acceptsHeaders calls the program with large request headers. A server that resets such a
// call looks broken to Envoy, so any caller could have its pods ejected.
func (p *Program) acceptsHeaders(ctx context.Context) string {
	connection, err := p.Dial()
	if err != nil {
		return err.Error()
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for i := range headersSent {
		ctx = metadata.AppendToOutgoingContext(ctx, fmt.Sprintf("x-contract-%d", i), strings.Repeat("h", headerSent))
	}
	if _, err := grpc_health_v1.NewHealthClient(connection).Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
		return fmt.Sprintf("the program refuses request headers of %d KiB: %s; raise its limit, or callers with large headers have its pods ejected",
			headersWanted>>10, status.Convert(err).Message())
	}
	return ""
}

func (p *Program) listens(host string) bool {
	connection, err := net.DialTimeout("tcp", p.address(host), time.Second)
	if err != nil {
		return false
	}
	connection.Close()
	return true
}

// Envoy and other services probe with a PING every 10 seconds (envoy/cluster.go). The
// third or fourth that comes too early for a server has it close the connection.
const (
	pings        = 5
	pingInterval = 5500 * time.Millisecond
)

func (p *Program) allowsPings() string {
	connection, err := net.DialTimeout("tcp", p.address(other), time.Second)
	if err != nil {
		return "connecting to send PINGs: " + err.Error()
	}
	defer connection.Close()
	fmt.Fprint(connection, http2.ClientPreface)
	framer := http2.NewFramer(connection, connection)
	if err := framer.WriteSettings(); err != nil {
		return "sending SETTINGS: " + err.Error()
	}
	for n := range pings {
		if err := framer.WritePing(false, [8]byte{byte(n)}); err != nil {
			return fmt.Sprintf("PING %d of %d could not be sent: the program closed the connection: %v", n+1, pings, err)
		}
		if problem := pong(connection, framer, n); problem != "" {
			return problem
		}
		time.Sleep(pingInterval)
	}
	return ""
}

// pong reads until the answer to a PING.
func pong(connection net.Conn, framer *http2.Framer, n int) string {
	_ = connection.SetReadDeadline(time.Now().Add(pingInterval)) // reading says what is wrong
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return fmt.Sprintf("PING %d of %d has no answer: %v", n+1, pings, err)
		}
		switch f := frame.(type) {
		case *http2.PingFrame:
			if f.IsAck() {
				return ""
			}
		case *http2.GoAwayFrame:
			return fmt.Sprintf("the program closes connections on which a PING comes every %s (%s %s): allow them every 5 seconds, without calls too",
				pingInterval, f.ErrCode, f.DebugData())
		}
	}
}

// terminates sends SIGTERM. The program must report that it is not healthy, and end in time.
func (p *Program) terminates(ctx context.Context) []check.Problem {
	ctx, cancel := context.WithTimeout(ctx, p.Budget)
	defer cancel()
	told := p.watch(ctx)
	if err := p.Terminate(); err != nil {
		return []check.Problem{{Text: "sending SIGTERM: " + err.Error()}}
	}
	var problems []check.Problem
	if text := <-told; text != "" {
		problems = append(problems, check.Problem{Text: text, Warning: true})
	}
	if !p.Wait(p.Budget) {
		return append(problems, check.Problem{Text: fmt.Sprintf("%s after SIGTERM the program still runs: it must handle SIGTERM itself, "+
			"as process 1 has no default handler, and end within TERMINATION_BUDGET%s", p.Budget, p.lastLog())})
	}
	if code, _ := p.Ended(); code != 0 && code != 128+15 {
		problems = append(problems, check.Problem{Text: fmt.Sprintf("after SIGTERM the program ended with exit code %d, want 0%s", code, p.lastLog())})
	}
	return problems
}

// watch watches the health of the program. The channel gets "" when the health becomes
// NOT_SERVING, and a problem if the watch ends before. A missing Watch is no problem:
// Kubernetes and Envoy use Check.
func (p *Program) watch(ctx context.Context) <-chan string {
	begun, told := make(chan struct{}), make(chan string, 1)
	go func() {
		connection, err := p.Dial()
		if err != nil {
			close(begun)
			told <- err.Error()
			return
		}
		defer connection.Close()
		stream, err := grpc_health_v1.NewHealthClient(connection).Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		close(begun)
		for err == nil {
			var reply *grpc_health_v1.HealthCheckResponse
			if reply, err = stream.Recv(); reply.GetStatus() == grpc_health_v1.HealthCheckResponse_NOT_SERVING {
				told <- ""
				return
			}
		}
		if status.Code(err) == codes.Unimplemented {
			told <- ""
			return
		}
		told <- "after SIGTERM the health did not become NOT_SERVING before the program stopped taking calls, so some calls are still sent to it, and fail"
	}()
	<-begun
	return told
}

func (p *Program) lastLog() string {
	lines := strings.Split(strings.TrimSpace(p.Log()), "\n")
	if lines[0] == "" {
		return "; it wrote nothing"
	}
	return "; it wrote:\n    " + strings.Join(lines[max(0, len(lines)-lastLines):], "\n    ")
}
