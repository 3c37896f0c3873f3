package chaos

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// load lists events with more load than usual, from well-behaved clients.
var load = []Event{
	{
		Key: "connections", Title: "Ten thousand additional connections", Do: tenThousand, Hold: 30 * time.Second,
		// Opening the connections takes CPU. Once open, they cost nothing.
		Promise: Promise{Slower: 5, After: openingTime},
	},
	{
		Key: "overload", Title: "A service gets half of the calls it can handle, all, three times as many, and half again",
		Prepare: smallReverse, Reverts: true, Overload: &Overload{}, Do: watchMemory,
		Promise: Promise{Slower: 2, Refuses: true},
	},
}

const (
	manyConnections = 10_000
	openers         = 16
	openingTime     = 25 * time.Second
)

// tenThousand opens ten thousand connections, each with TLS and HTTP/2, and checks Envoy's
// memory.
func tenThousand(ctx context.Context, s *Sandbox) error {
	var mu sync.Mutex
	var open []net.Conn
	var errs []error
	work := make(chan struct{})
	var wait sync.WaitGroup
	for range openers {
		wait.Go(func() {
			for range work {
				connection, err := s.idle(ctx)
				mu.Lock()
				if err != nil {
					errs = append(errs, err)
				} else {
					open = append(open, connection)
				}
				mu.Unlock()
			}
		})
	}
	for range manyConnections {
		work <- struct{}{}
	}
	close(work)
	wait.Wait()
	s.undo = func() error {
		held, err := s.envoyStat(ctx, "http.https.downstream_cx_active")
		s.note("the Envoys hold %d connections at the end", held)
		if err == nil && held < manyConnections {
			err = fmt.Errorf("the Envoys hold %d connections", held)
		}
		for _, connection := range open {
			connection.Close()
		}
		return err
	}
	if len(errs) > 0 {
		return fmt.Errorf("%d of %d connections were not opened, the first: %w", len(errs), manyConnections, errs[0])
	}
	edge, err := s.usages(ctx, "envoy")
	if err != nil {
		return err
	}
	if _, err := edge[0].read(); err != nil {
		return err
	}
	return s.within(edge)
}

// idle opens a connection, sends the HTTP/2 preface and SETTINGS, and makes no call.
func (s *Sandbox) idle(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	config := s.Target.TLS.Clone()
	config.NextProtos = []string{"h2"}
	connection, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", s.Target.Address)
	if err != nil {
		return nil, err
	}
	if _, err = connection.Write([]byte(http2.ClientPreface)); err == nil {
		err = http2.NewFramer(connection, connection).WriteSettings()
	}
	if err != nil {
		connection.Close()
	}
	return connection, err
}
