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

// Step is a time in which so many calls begin in each second.
type Step struct {
	PerSecond float64
	For       time.Duration
}

// work is what an open plan sends, and worked what comes back.
const (
	work   = "work"
	worked = "krow"
)

const (
	// openConnections are shared by all calls of a plan: the edge allows 100 streams on one.
	openConnections = 16
	// openMost is how many calls of a plan may be under way.
	openMost = openConnections * 100
)

// errTooMany is how a call ends that could not be made.
var errTooMany = fmt.Errorf("not sent: %d calls are under way already", openMost)

// StartOpen calls api.Reverse, by gRPC and REST in turn, at rates that do not depend on
// how calls are answered: a call begins when it is due, and its time counts from
// then. When the last step is over it goes on at that rate. None is sent anew.
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

// greetings are how often a client may try to make its first call.
const greetings = 10

// greet makes a client's connection with a call that does not count. Otherwise each
// call of net/http that is due before there is one would make one of its own.
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

// openClients are the protocols of an open plan.
var openClients = []string{"grpc", "rest"}

func newOpen(target Target, n int) (client, error) {
	if openClients[n%len(openClients)] == "rest" {
		return newHTTP(target, workBody{}), nil
	}
	connection, err := keep(target, grpc.WithDisableRetry())
	return worker{connection}, err
}

// follow begins a call whenever one is due.
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

// worker calls by gRPC.
type worker struct{ connection *grpc.ClientConn }

func (w worker) call(ctx context.Context) error {
	reply, err := reverse.NewReverseClient(w.connection).Reverse(ctx, &reverse.ReverseRequest{Content: work})
	if err == nil && reply.GetContent() != worked {
		err = wrongAnswer(reply.GetContent())
	}
	return err
}

func (w worker) close() { w.connection.Close() }

// workBody is the same in JSON.
type workBody struct{}

func (workBody) request() (string, http.Header, []byte) { return jsonRequest("/v1/reverse", work) }

func (workBody) check(_ *http.Response, body []byte) error { return checkJSON(body, worked) }

// refusal is the gRPC status of an HTTP status that says that there were too many
// calls (google/rpc/code.proto), or nil.
func refusal(response *http.Response, why error) error {
	if response.StatusCode == http.StatusTooManyRequests {
		return status.Error(codes.ResourceExhausted, why.Error())
	}
	return nil
}

// Refused are the calls that were refused as being too many.
func Refused(calls []Call) []Call {
	return filter(calls, func(c Call) bool { return c.Refused() })
}

// Refused says whether the answer was that there are too many calls:
// RESOURCE_EXHAUSTED, or 429.
func (c Call) Refused() bool {
	return !errors.Is(c.Err, errTooMany) && status.Code(c.Err) == codes.ResourceExhausted
}
