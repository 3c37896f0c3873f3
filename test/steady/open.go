package steady

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	reverse "example.com/grpc-edge/services/reverse/api"
)

// Step is a period with a constant rate of calls.
type Step struct {
	PerSecond float64
	For       time.Duration
}

// work is the text of a request of an open plan. worked is the answer to it.
const (
	work   = "work"
	worked = "krow"
)

const (
	// openConnections is the number of connections that all calls of a plan share. The edge
	// allows 100 streams on each.
	openConnections = 16
	// openMost is the limit of a plan's calls in flight.
	openMost = openConnections * 100
)

// errTooMany is the error of a call that was not sent, because openMost are in flight.
var errTooMany = fmt.Errorf("not sent: %d calls are under way already", openMost)

// StartOpen calls api.Reverse, by gRPC and REST in turn. It is an open loop: a call begins
// when it is due, whether or not others were answered, and its latency counts from then.
// After the last step, calls go on at the last rate. gRPC clients do not retry.
func StartOpen(ctx context.Context, target Target, deadline time.Duration, steps ...Step) (*Load, error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &Load{options: Options{Deadline: deadline}, cancel: cancel}
	var clients []client
	for n := range openConnections {
		c, err := newOpen(target, n)
		if err == nil {
			clients = append(clients, c)
			err = l.greet(ctx, c)
		}
		if err != nil {
			cancel()
			closeAll(clients)
			return nil, fmt.Errorf("making a client of an open plan: %w", err)
		}
	}
	l.wait.Go(func() { l.follow(ctx, steps, clients) })
	return l, nil
}

// greetings is the number of attempts for the first call of a client.
const greetings = 10

// greet opens a client's connection with a call that does not count. Without it, net/http
// would open one connection for each call that is due before the first is open.
func (l *Load) greet(ctx context.Context, c client) (err error) {
	for range greetings {
		bounded, cancel := context.WithTimeout(ctx, l.options.Deadline)
		err = c.call(bounded)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// openClients lists the protocols of an open plan.
var openClients = []string{"grpc", "rest"}

func newOpen(target Target, n int) (client, error) {
	if openClients[n%len(openClients)] == "rest" {
		return newHTTP(target, workBody{}), nil
	}
	connection, err := keep(target, grpc.WithDisableRetry())
	return worker{connection}, err
}

// follow starts each call when it is due, until ctx ends.
func (l *Load) follow(ctx context.Context, steps []Step, clients []client) {
	defer closeAll(clients)
	var calling sync.WaitGroup
	defer calling.Wait()
	due, underWay := time.Now(), &atomic.Int64{}
	end, n := due, 0
	for i, step := range steps {
		end = end.Add(step.For)
		last := i == len(steps)-1
		for ; last || due.Before(end); n++ {
			if !waitUntil(ctx, due) {
				return
			}
			c, protocol, began := clients[n%len(clients)], openClients[n%len(openClients)], due
			if underWay.Add(1) > openMost {
				underWay.Add(-1)
				l.add(Call{Client: protocol, Began: began, Err: errTooMany})
			} else {
				calling.Go(func() {
					defer underWay.Add(-1)
					l.make(ctx, c, protocol, began)
				})
			}
			due = due.Add(time.Duration(float64(time.Second) / step.PerSecond))
		}
	}
}

func closeAll(clients []client) {
	for _, c := range clients {
		c.close()
	}
}

// worker calls api.Reverse by gRPC.
type worker struct{ connection *grpc.ClientConn }

func (w worker) call(ctx context.Context) error {
	reply, err := reverse.NewReverseClient(w.connection).Reverse(ctx, &reverse.ReverseRequest{Content: work})
	if err == nil && reply.GetContent() != worked {
		err = wrongAnswer(reply.GetContent())
	}
	return err
}

func (w worker) close() { w.connection.Close() }

// workBody is the same call in JSON.
type workBody struct{}

func (workBody) request() (string, http.Header, []byte) { return jsonRequest("/v1/reverse", work) }

func (workBody) check(_ *http.Response, body []byte) error { return checkJSON(body, worked) }

// refusal returns RESOURCE_EXHAUSTED for the HTTP status 429 (google/rpc/code.proto), and
// nil for others.
func refusal(response *http.Response, why error) error {
	if response.StatusCode == http.StatusTooManyRequests {
		return status.Error(codes.ResourceExhausted, why.Error())
	}
	return nil
}

// Refused returns the calls that the server refused because of too many calls.
func Refused(calls []Call) []Call {
	return filter(calls, func(c Call) bool { return c.Refused() })
}

// Refused reports whether the server refused the call because of too many calls:
// RESOURCE_EXHAUSTED, or 429.
func (c Call) Refused() bool {
	return !errors.Is(c.Err, errTooMany) && status.Code(c.Err) == codes.ResourceExhausted
}
