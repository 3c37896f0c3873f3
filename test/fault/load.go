package fault

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	echo "grpc-edge/services/echo/api"
)

// load is more than usual, by clients without bad intentions.
var load = []Event{
	{
		Key: "connections", Title: "Ten thousand connections more", Do: tenThousand, Hold: 10 * time.Second,
		// Opening them takes the machine's time; later than that they cost nothing.
		Promise: Promise{Slower: 20, After: openingTime},
	},
	{
		Key: "overload", Title: "As many calls as the machine can bear, from 400 callers, for 15 s", Do: overload,
		// Clients, edge and services share two cores, all of them full: what must
		// hold is that nothing is lost, and that it is over when it is over.
		Promise: Promise{Slower: 5, After: overloadTime + 5*time.Second},
	},
}

const (
	manyConnections = 10_000
	openers         = 16
	openingTime     = time.Minute
	overloadTime    = 15 * time.Second
	overloadCallers = 400
	// callersEach share a connection: the edge allows 100 streams on one.
	callersEach = 50
)

// tenThousand opens them, each with TLS and HTTP/2, and looks at Envoy's memory.
func tenThousand(ctx context.Context, s *Sandbox) (func() error, error) {
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
	undo := func() error {
		for _, connection := range open {
			connection.Close()
		}
		return nil
	}
	if len(errs) > 0 {
		return undo, fmt.Errorf("%d of %d connections were not opened, the first: %w", len(errs), manyConnections, errs[0])
	}
	return undo, s.withinMemory(ctx)
}

// idle is a connection that has greeted, and makes no call.
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
	return connection, err
}

// withinMemory compares what each Envoy has in memory with what it may have.
func (s *Sandbox) withinMemory(ctx context.Context) error {
	text, err := s.kubectl(ctx, "get", "deployment", "envoy", "--output", `jsonpath={.spec.template.spec.initContainers[0].resources.limits.memory}`)
	if err != nil {
		return err
	}
	limit, err := mebibytes(text)
	if err != nil {
		return fmt.Errorf("reading Envoy's memory limit: %w", err)
	}
	pods, err := s.pods(ctx, "envoy")
	if err != nil {
		return err
	}
	for _, p := range pods {
		found, err := s.container(p, "envoy")
		if err != nil {
			return err
		}
		used, err := residentKiB(found[0].pid)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.Log, "%s uses %d MiB of %d\n", p.Name, used>>10, limit)
		if used>>10 > limit*8/10 {
			return fmt.Errorf("%s uses %d MiB of %d", p.Name, used>>10, limit)
		}
	}
	return nil
}

// mebibytes reads a quantity of Kubernetes in Mi or Gi.
func mebibytes(quantity string) (int64, error) {
	unit := int64(1)
	number, gibi := strings.CutSuffix(quantity, "Gi")
	if gibi {
		unit = 1 << 10
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(number, "Mi"), 10, 64)
	return n * unit, err
}

// residentKiB is the memory of a process (proc_pid_status(5), VmRSS).
func residentKiB(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(rest)
	if !found || len(fields) == 0 {
		return 0, errors.New("the process has no VmRSS")
	}
	return strconv.ParseInt(fields[0], 10, 64)
}

// overload calls as fast as it is answered. None of its calls may fail either.
func overload(ctx context.Context, s *Sandbox) (func() error, error) {
	end := time.Now().Add(overloadTime)
	errs := make(chan error, overloadCallers)
	var wait sync.WaitGroup
	for range overloadCallers / callersEach {
		connection, err := grpc.NewClient("passthrough:///"+s.Target.Address, grpc.WithTransportCredentials(credentials.NewTLS(s.Target.TLS)))
		if err != nil {
			return nil, err
		}
		defer connection.Close()
		client := echo.NewEchoClient(connection)
		for range callersEach {
			wait.Go(func() {
				for time.Now().Before(end) && ctx.Err() == nil {
					if _, err := client.Echo(ctx, &echo.EchoRequest{Content: "more"}); err != nil {
						errs <- err
						return
					}
				}
			})
		}
	}
	wait.Wait()
	select {
	case err := <-errs:
		return nil, fmt.Errorf("a call of those beyond the usual failed: %w", err)
	default:
		return nil, ctx.Err()
	}
}
