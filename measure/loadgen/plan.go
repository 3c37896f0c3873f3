package loadgen

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
)

// Step is a period with a constant rate of calls.
type Step struct {
	PerSecond float64
	For       time.Duration
}

// work is the text of a request of a plan. worked is the answer to it.
const (
	work   = "work"
	worked = "krow"
)

const (
	// planConnections is the number of connections that all calls of a plan share. The edge
	// allows 100 streams on each.
	planConnections = 16
	// planMost is the limit of a plan's calls in flight.
	planMost = planConnections * 100
)

// errTooMany is the error of a call that was not sent, because planMost are in flight.
var errTooMany = fmt.Errorf("not sent: %d calls are under way already", planMost)

// StartPlan calls api.Reverse, by gRPC and REST in turn, at the rate of one step after the
// other. After the last step, calls go on at the last rate. gRPC clients do not retry.
func StartPlan(ctx context.Context, target Target, deadline time.Duration, steps ...Step) (*Load, error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &Load{options: Options{Deadline: deadline}, cancel: cancel}
	var clients []client
	for n := range planConnections {
		c, err := newPlanned(target, n)
		if err == nil {
			clients = append(clients, c)
			err = l.greet(ctx, c)
		}
		if err != nil {
			cancel()
			closeAll(clients)
			return nil, fmt.Errorf("creating a client of a plan: %w", err)
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

// planClients lists the protocols of a plan.
var planClients = []string{"grpc", "rest"}

func newPlanned(target Target, n int) (client, error) {
	if planClients[n%len(planClients)] == "rest" {
		return newHTTP(target, restBody{"/v1/reverse", work, worked}), nil
	}
	connection, err := keep(target, grpc.WithDisableRetry())
	return newClient(connection, func(ctx context.Context) error { return callReverse(ctx, connection, work, worked) }), err
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
			c, protocol, began := clients[n%len(clients)], planClients[n%len(planClients)], due
			if underWay.Add(1) > planMost {
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
