package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/florianl/go-nfqueue/v2"
)

const (
	// latency is the delay of each packet to a pod of a service.
	latency = 100 * time.Millisecond
	// queueNumber is the number of the netfilter queue. Each node has its own queues.
	queueNumber = 7
	// queueLength exceeds the number of packets that this load sends within latency.
	queueLength = 4096
)

// delayPackets delays every packet to a pod of api.Echo or api.Reverse on its node. The
// kernel queues the packet for this program, which accepts it after latency. Answers are
// not delayed, so a call on an open connection takes latency longer, once.
func delayPackets(ctx context.Context, s *Sandbox) error {
	rules := map[int][]string{} // by the process of a node
	for _, app := range []string{"echo", "reverse"} {
		pods, err := s.pods(ctx, app)
		if err != nil {
			return err
		}
		for _, p := range pods {
			address, err := s.ip(ctx, p)
			if err != nil {
				return err
			}
			node, err := s.kubelet(p.Node)
			if err != nil {
				return err
			}
			// With --queue-bypass packets pass if this program ends.
			rules[node.pid] = append(rules[node.pid], fmt.Sprintf("FORWARD -p tcp -d %s --dport 8080 -j NFQUEUE --queue-num %d --queue-bypass", address, queueNumber))
		}
	}
	var undo []func() error
	s.undo = func() (err error) {
		for _, f := range undo {
			err = errors.Join(err, f())
		}
		return err
	}
	for pid, list := range rules {
		stop, err := delayQueue(ctx, pid)
		if err != nil {
			return err
		}
		undo = append(undo, func() (err error) {
			for _, rule := range list {
				err = errors.Join(err, s.iptables(context.WithoutCancel(ctx), []int{pid}, "mangle", "-D "+rule))
			}
			time.Sleep(latency) // for packets in the queue
			return errors.Join(err, stop())
		})
		for _, rule := range list {
			if err := s.iptables(ctx, []int{pid}, "mangle", "-I "+rule); err != nil {
				return err
			}
		}
	}
	return nil
}

// delayQueue accepts each packet of the queue in a process's network namespace after
// latency, in the order of arrival.
func delayQueue(ctx context.Context, pid int) (stop func() error, err error) {
	namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return nil, err
	}
	defer namespace.Close()
	queue, err := nfqueue.Open(&nfqueue.Config{
		NetNS: int(namespace.Fd()), NfQueue: queueNumber, MaxQueueLen: queueLength, Copymode: nfqueue.NfQnlCopyMeta, WriteTimeout: time.Second,
	})
	if err != nil {
		return nil, fmt.Errorf("opening a queue for packets: %w", err)
	}
	type packet struct {
		id  uint32
		due time.Time
	}
	waiting := make(chan packet, queueLength)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		for {
			select {
			case p := <-waiting:
				time.Sleep(time.Until(p.due))
				_ = queue.SetVerdict(p.id, nfqueue.NfAccept) // fails for a packet that is gone
			case <-ctx.Done():
				return
			}
		}
	}()
	err = queue.RegisterWithErrorFunc(ctx, func(a nfqueue.Attribute) int {
		waiting <- packet{*a.PacketID, time.Now().Add(latency)}
		return 0
	}, func(error) int { // stop has ended the read, or packets did not fit
		if ctx.Err() != nil {
			return 1
		}
		return 0
	})
	if err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("reading a queue of packets: %w", err), queue.Close())
	}
	return func() error {
		cancel()
		return queue.Close()
	}, nil
}
