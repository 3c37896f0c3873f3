// Package network makes the sandbox's stand-in for Google's network: one
// network namespace that routes between the host, the control planes and the
// nodes. Everything lives in namespaces held open by this process, so that the
// kernel removes all of it, the host's link and route included, when the process
// ends, however it ends.
package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"example.com/grpc-edge/sandbox/addressplan"
)

const (
	// hostLink is the host's end of the veth pair into the sandbox.
	hostLink = "grpc-edge0"
	// bridge joins control planes and nodes.
	bridge = "vpc"
)

// Network is a running router namespace.
type Network struct {
	ns     netns.NsHandle
	router *netlink.Handle
	host   netlink.Link // the host's end; nil until it is made

	mu       sync.Mutex
	balanced map[netip.Addr][]netip.Addr // nodes by address, since the first Balance
}

// Taken returns an error that names the host's links and routes that conflict with the sandbox,
// or nil when there are none.
func Taken() error {
	var errs []error
	if _, err := netlink.LinkByName(hostLink); err == nil {
		errs = append(errs, fmt.Errorf("the network link %s exists already: is another sandbox running? Stop it, or remove the link with `ip link delete %s`", hostLink, hostLink))
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("listing routes: %w", err)
	}
	for _, route := range routes {
		if route.Dst == nil {
			continue
		}
		ones, _ := route.Dst.Mask.Size()
		addr, ok := netip.AddrFromSlice(route.Dst.IP.To4())
		if !ok || ones == 0 {
			continue
		}
		taken := netip.PrefixFrom(addr, ones)
		for _, ours := range []netip.Prefix{addressplan.External, addressplan.HostEnd.Masked()} {
			if taken.Overlaps(ours) {
				errs = append(errs, fmt.Errorf("the address range %s is routed on this machine already (%s): the sandbox needs it for itself; remove that route", ours, taken))
			}
		}
	}
	return errors.Join(errs...)
}

// New creates the router namespace and the host's link and route into it.
func New() (*Network, error) {
	ns, err := newNamespace()
	if err != nil {
		return nil, fmt.Errorf("creating the router's network namespace: %w", err)
	}
	router, err := netlink.NewHandleAt(ns)
	if err != nil {
		return nil, fmt.Errorf("opening the router's network namespace: %w", err)
	}
	n := &Network{ns: ns, router: router}
	if err := n.connectHost(); err != nil {
		return nil, errors.Join(fmt.Errorf("connecting the host: %w", err), n.Close())
	}
	if err := n.addRouterLinks(); err != nil {
		return nil, errors.Join(fmt.Errorf("creating the router: %w", err), n.Close())
	}
	return n, n.In(func() error {
		return sysctl(map[string]string{
			"net/ipv4/ip_forward": "1",
			// A flow stays on its node: hash on ports too, as Google's passthrough load balancer does.
			"net/ipv4/fib_multipath_hash_policy": "1",
		})
	})
}

// Close removes the host's link; the kernel does the rest when the namespace's last user has gone.
func (n *Network) Close() error {
	if n.host != nil { // else the link there may be another sandbox's
		if err := netlink.LinkDel(n.host); err != nil {
			return fmt.Errorf("removing the link %s: %w", hostLink, err)
		}
	}
	n.router.Close()
	return n.ns.Close()
}

func (n *Network) connectHost() error {
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: hostLink}, PeerName: "host", PeerNamespace: netlink.NsFd(n.ns)}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("adding the link %s: %w", hostLink, err)
	}
	n.host = veth
	host := &netlink.Handle{}
	if err := up(host, hostLink, addressplan.HostEnd, addressplan.OtherHostEnd); err != nil {
		return err
	}
	if err := up(n.router, "host", addressplan.RouterEnd); err != nil {
		return err
	}
	return netlink.RouteAdd(&netlink.Route{LinkIndex: veth.Index, Dst: ipNet(addressplan.External), Gw: addressplan.RouterEnd.Addr().AsSlice()})
}

func (n *Network) addRouterLinks() error {
	if err := n.router.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridge}}); err != nil {
		return fmt.Errorf("adding the bridge: %w", err)
	}
	if err := up(n.router, bridge); err != nil {
		return err
	}
	return up(n.router, "lo", host32(addressplan.GoogleAPIs), host32(addressplan.PrivateGoogleAPIs), host32(addressplan.Metadata))
}

// Subnet gives the router the subnet's gateway address, its first usable one
// ("Subnets": unusable addresses in IPv4 subnet ranges). It may be called again.
func (n *Network) Subnet(subnet netip.Prefix) error {
	link, err := n.router.LinkByName(bridge)
	if err != nil {
		return err
	}
	gateway := netip.PrefixFrom(subnet.Masked().Addr().Next(), subnet.Bits())
	return n.router.AddrReplace(link, &netlink.Addr{IPNet: ipNet(gateway)})
}

// Attach puts process pid's network namespace on the subnet of address, as eth0, with a default
// route through the router, and gives it the addresses in own too.
func (n *Network) Attach(pid int, name string, address netip.Prefix, own ...netip.Addr) error {
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return fmt.Errorf("opening the network namespace of process %d: %w", pid, err)
	}
	defer ns.Close()
	inside, err := netlink.NewHandleAt(ns)
	if err != nil {
		return err
	}
	defer inside.Close()
	if old, err := n.router.LinkByName(name); err == nil {
		_ = n.router.LinkDel(old) // of a VM that died a moment ago
	}
	master, err := n.router.LinkByName(bridge)
	if err != nil {
		return err
	}
	veth := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: name, MasterIndex: master.Attrs().Index},
		PeerName:  "eth0", PeerNamespace: netlink.NsFd(ns),
	}
	if err := n.router.LinkAdd(veth); err != nil {
		return fmt.Errorf("adding the link %s: %w", name, err)
	}
	if err := up(n.router, name); err != nil {
		return err
	}
	if err := up(inside, "lo"); err != nil {
		return err
	}
	addresses := []netip.Prefix{address}
	for _, a := range own {
		addresses = append(addresses, host32(a))
	}
	if err := up(inside, "eth0", addresses...); err != nil {
		return err
	}
	gateway := address.Masked().Addr().Next()
	if err := inside.RouteAdd(&netlink.Route{Gw: gateway.AsSlice()}); err != nil {
		return fmt.Errorf("adding the default route of %s: %w", name, err)
	}
	for _, a := range own {
		if err := n.Route(host32(a), address.Addr()); err != nil {
			return err
		}
	}
	return nil
}

// Route sends traffic for destination to the VMs at next, each flow to one
// of them; without any, the destination is unreachable, as a load balancer's
// address is when no backend is healthy.
func (n *Network) Route(destination netip.Prefix, next ...netip.Addr) error {
	route := &netlink.Route{Dst: ipNet(destination.Masked())}
	switch len(next) {
	case 0:
		if err := n.router.RouteDel(route); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("removing the route to %s: %w", destination, err)
		}
		return nil
	case 1:
		route.Gw = next[0].AsSlice()
	default:
		for _, hop := range next {
			route.MultiPath = append(route.MultiPath, &netlink.NexthopInfo{Gw: hop.AsSlice()})
		}
	}
	if err := n.router.RouteReplace(route); err != nil {
		return fmt.Errorf("routing %s: %w", destination, err)
	}
	return nil
}

// Listen opens a TCP listener in the router namespace.
func (n *Network) Listen(address netip.AddrPort) (l net.Listener, err error) {
	err = n.In(func() error {
		l, err = net.Listen("tcp", address.String())
		return err
	})
	return l, err
}

// In runs f on a thread inside the router namespace.
func (n *Network) In(f func() error) error {
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine instead of coming back changed.
		runtime.LockOSThread()
		if err := netns.Set(n.ns); err != nil {
			done <- fmt.Errorf("entering the router's network namespace: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}

func newNamespace() (ns netns.NsHandle, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked, as in In
		ns, err = netns.New()
	}()
	<-done
	return ns, err
}

func up(h *netlink.Handle, name string, addresses ...netip.Prefix) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("finding the link %s: %w", name, err)
	}
	for _, a := range addresses {
		if err := h.AddrAdd(link, &netlink.Addr{IPNet: ipNet(a)}); err != nil {
			return fmt.Errorf("giving %s the address %s: %w", name, a, err)
		}
	}
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("setting the link %s up: %w", name, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func host32(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

func sysctl(values map[string]string) error {
	for key, value := range values {
		if err := os.WriteFile("/proc/sys/"+key, []byte(value), 0o644); err != nil {
			return fmt.Errorf("setting %s: %w", key, err)
		}
	}
	return nil
}

// DialContext dials from the router, which reaches nodes that the host does not.
func (n *Network) DialContext(ctx context.Context, kind, address string) (c net.Conn, err error) {
	var dialer net.Dialer
	err = n.In(func() error {
		c, err = dialer.DialContext(ctx, kind, address)
		return err
	})
	return c, err
}
