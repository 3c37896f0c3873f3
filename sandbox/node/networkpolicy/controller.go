package networkpolicy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

const (
	// debounce gathers the burst of events that a rollout causes.
	debounce = 100 * time.Millisecond
	// resync is the interval at which rules are set even if nothing changed. So rules that
	// someone else flushed come back.
	resync = 30 * time.Second
	// retry is the delay before a retry after a failure to set the rules.
	retry = time.Second
)

// Controller keeps a node's rules in line with the cluster's policies.
type Controller struct {
	Client kubernetes.Interface
	Node   Node
	// Apply gives the rules to `iptables-restore --noflush` in the node's network
	// namespace. It is called by one goroutine. After an error it is called again.
	Apply func(ctx context.Context, rules []byte) error
	Log   *slog.Logger // nil logs nothing
}

// Run installs the chains and then enforces policies until the context ends. It
// returns an error only if it cannot start.
func (c *Controller) Run(ctx context.Context) error {
	if err := c.Apply(ctx, []byte(Install)); err != nil {
		return fmt.Errorf("installing the chains of network policies on node %s: %w", c.Node.Name, err)
	}
	changed := make(chan struct{}, 1)
	notify := func(any) {
		select {
		case changed <- struct{}{}:
		default: // one is waiting
		}
	}
	factory := informers.NewSharedInformerFactory(c.Client, 0)
	defer factory.Shutdown()
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, informer := range []cache.SharedIndexInformer{
		factory.Core().V1().Pods().Informer(),
		factory.Core().V1().Namespaces().Informer(),
		factory.Networking().V1().NetworkPolicies().Informer(),
	} {
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: notify, DeleteFunc: notify, UpdateFunc: func(_, object any) { notify(object) },
		}); err != nil {
			return fmt.Errorf("watching the cluster's network policies: %w", err)
		}
	}
	factory.Start(stop.Done())
	for kind, synced := range factory.WaitForCacheSync(stop.Done()) {
		if !synced && ctx.Err() == nil {
			return fmt.Errorf("watching the cluster's network policies: listing %v did not end", kind)
		}
	}
	notify(nil)
	c.enforce(ctx, changed, factory)
	return nil
}

// enforce sets the rules at every change, after a failure and at each resync.
func (c *Controller) enforce(ctx context.Context, changed <-chan struct{}, factory informers.SharedInformerFactory) {
	var applied []byte
	next := time.NewTimer(resync)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
			applied = nil
		case <-changed:
			select {
			case <-ctx.Done():
				return
			case <-time.After(debounce):
			}
		}
		rules, err := c.rules(factory)
		if err == nil && bytes.Equal(rules, applied) {
			continue
		}
		if err == nil {
			err = c.Apply(ctx, rules)
		}
		wait := resync
		if err != nil {
			rules, wait = nil, retry
			if c.Log != nil && ctx.Err() == nil {
				c.Log.Error("setting network policies", "node", c.Node.Name, "error", err)
			}
		}
		applied = rules
		next.Reset(wait)
	}
}

func (c *Controller) rules(factory informers.SharedInformerFactory) ([]byte, error) {
	pods, errPods := factory.Core().V1().Pods().Lister().List(labels.Everything())
	namespaces, errNamespaces := factory.Core().V1().Namespaces().Lister().List(labels.Everything())
	policies, errPolicies := factory.Networking().V1().NetworkPolicies().Lister().List(labels.Everything())
	if err := errors.Join(errPods, errNamespaces, errPolicies); err != nil {
		return nil, fmt.Errorf("listing what policies are about: %w", err)
	}
	return Rules(c.Node, Cluster{Pods: pods, Namespaces: namespaces, Policies: policies}), nil
}
