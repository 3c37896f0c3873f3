package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"example.com/grpc-edge/sandbox/addressplan"
)

// namespaceName is the name (argv[0]) under which the test binary is in a network namespace of its own.
const namespaceName = "network-test"

// TestMain runs the tests in a network namespace of their own, as they play the host. The machine's
// own network, in which a sandbox may run, is not touched. The tests can't run in parallel, since a
// host has one sandbox.
func TestMain(m *testing.M) {
	if os.Args[0] == namespaceName {
		os.Exit(m.Run())
	}
	runtime.LockOSThread() // Pdeathsig means this thread
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: append([]string{namespaceName}, os.Args[1:]...), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL},
	}
	err := cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		fmt.Fprintln(os.Stderr, "starting the tests in a network namespace of their own:", err)
		os.Exit(1)
	}
	os.Exit(cmd.ProcessState.ExitCode())
}

// patience is the timeout for a loaded machine; an answer usually takes less than a millisecond.
const patience = 20 * time.Second

var (
	subnet   = netip.MustParsePrefix("10.0.0.0/20")
	external = netip.MustParseAddr("198.51.100.10")
)

func newNetwork(t *testing.T) *Network {
	t.Helper()
	n, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("closing the network: %v", err)
		}
	})
	if err := n.Subnet(subnet); err != nil {
		t.Fatal(err)
	}
	return n
}

// vm starts a process in a network namespace of its own and attaches it.
// It answers its name on port 80 at all of its addresses.
func vm(t *testing.T, n *Network, name, address string, own ...netip.Addr) {
	t.Helper()
	process := exec.Command("cat") // ends with its standard input, so with the test, however that ends
	process.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if _, err := process.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	if err := n.Attach(process.Process.Pid, name, netip.PrefixFrom(netip.MustParseAddr(address), subnet.Bits()), own...); err != nil {
		t.Fatal(err)
	}
	ns, err := netns.GetFromPid(process.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	answer(t, func() (net.Listener, error) {
		return (&Network{ns: ns}).Listen(netip.MustParseAddrPort("0.0.0.0:80"))
	}, name)
}

// answer writes text to every connection.
func answer(t *testing.T, listen func() (net.Listener, error), text string) {
	t.Helper()
	l, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, text)
			c.Close()
		}
	}()
}

// ask returns what is answered to a connection.
func ask(t *testing.T, dial func(ctx context.Context, network, address string) (net.Conn, error), address string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := dial(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	text, err := io.ReadAll(c)
	return string(text), err
}

func fromHost(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

func TestHostReachesTheRouter(t *testing.T) {
	n := newNetwork(t)
	link, err := netlink.LinkByName(hostLink)
	if err != nil {
		t.Fatal(err)
	}
	routes, err := netlink.RouteList(link, netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range routes {
		got = append(got, fmt.Sprint(r.Dst, " via ", r.Gw))
	}
	if diff := cmp.Diff([]string{"198.51.100.0/27 via 198.51.100.250", "198.51.100.248/29 via <nil>"}, got); diff != "" {
		t.Errorf("the host's routes differ (-want +got):\n%s", diff)
	}
	apis := netip.AddrPortFrom(addressplan.GoogleAPIs, 443)
	answer(t, func() (net.Listener, error) { return n.Listen(apis) }, "apis")
	if text, err := ask(t, fromHost, apis.String()); text != "apis" {
		t.Errorf("Google's APIs answered %q (%v)", text, err)
	}
	if _, err := n.Listen(apis); err == nil {
		t.Error("listening twice on one address gave no error")
	}
	if _, err := n.Listen(netip.MustParseAddrPort("192.0.2.1:443")); err == nil {
		t.Error("listening on an address that the router has not gave no error")
	}
}

func TestAttach(t *testing.T) {
	n := newNetwork(t)
	if err := n.Subnet(subnet); err != nil {
		t.Fatalf("adding the subnet again: %v", err)
	}
	endpoint := netip.MustParseAddr("198.51.100.2")
	vm(t, n, "cp", "10.0.0.2", endpoint)
	vm(t, n, "node", "10.0.0.3")
	for address, want := range map[string]string{"10.0.0.2:80": "cp", "10.0.0.3:80": "node", "198.51.100.2:80": "cp"} {
		if got, err := ask(t, n.DialContext, address); got != want {
			t.Errorf("from the router, %s answered %q (%v), want %q", address, got, err, want)
		}
	}
	if got, err := ask(t, fromHost, "198.51.100.2:80"); got != "cp" {
		t.Errorf("from the host, the VM's own address answered %q (%v), want cp", got, err)
	}
	if got, err := ask(t, fromHost, "10.0.0.2:80"); err == nil {
		t.Errorf("the host reaches the VM's inner address, which it must not: %q", got)
	}
	vm(t, n, "node", "10.0.0.4") // started again, elsewhere, under the link's name
	if got, err := ask(t, n.DialContext, "10.0.0.4:80"); got != "node" {
		t.Errorf("the VM that took over a link answered %q (%v), want node", got, err)
	}
	if err := n.Attach(1<<30, "nobody", netip.MustParsePrefix("10.0.0.5/20")); err == nil {
		t.Error("attaching a process that does not exist gave no error")
	}
}

func TestRoute(t *testing.T) {
	n := newNetwork(t)
	vm(t, n, "a", "10.0.0.2", external)
	vm(t, n, "b", "10.0.0.3", external)
	destination := netip.PrefixFrom(external, 32)
	a, b := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")
	steps := []struct {
		next []netip.Addr
		want []string // the VMs that answer
	}{
		{[]netip.Addr{a}, []string{"a"}},
		{[]netip.Addr{a}, []string{"a"}},
		{[]netip.Addr{a, b}, []string{"a", "b"}},
		{[]netip.Addr{b}, []string{"b"}},
		{nil, nil},
		{nil, nil}, // it has gone already
		{[]netip.Addr{b, a}, []string{"a", "b"}},
	}
	for i, step := range steps {
		if err := n.Route(destination, step.next...); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if diff := cmp.Diff(step.want, answers(t, external)); diff != "" {
			t.Errorf("step %d: the VMs that answer differ (-want +got):\n%s", i, diff)
		}
	}
	if err := n.Route(destination, netip.MustParseAddr("192.0.2.1")); err == nil || !strings.Contains(err.Error(), "routing 198.51.100.10/32") {
		t.Errorf("routing to a VM out of reach gave %v", err)
	}
	pods := netip.MustParsePrefix("10.1.0.0/24")
	if err := n.Route(pods, a); err != nil {
		t.Fatal(err)
	}
	route, err := n.router.RouteGet(net.IPv4(10, 1, 0, 7))
	if err != nil || len(route) != 1 || !route[0].Gw.Equal(net.IPv4(10, 0, 0, 2)) {
		t.Errorf("a pod's route is %v (%v), want one via %s", route, err, a)
	}
}

// answers returns the names of all VMs that answer for an address, in order. It returns
// none when the network reports that the address is unreachable. A flow takes one of two ways by
// chance, so that 64 flows take both.
func answers(t *testing.T, address netip.Addr) (names []string) {
	t.Helper()
	for range 64 {
		name, err := ask(t, fromHost, netip.AddrPortFrom(address, 80).String())
		if errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestTaken(t *testing.T) {
	tests := map[string]struct {
		link, route string
		want        []string // parts of the message
	}{
		"free":               {"other", "10.0.0.0/8", nil},
		"near":               {"other", "198.51.100.32/27", nil},
		"default route":      {"other", "0.0.0.0/0", nil},
		"same range":         {"other", "198.51.100.0/27", []string{"198.51.100.0/27 is routed"}},
		"one address":        {"other", "198.51.100.249/32", []string{"198.51.100.248/29 is routed on this machine already (198.51.100.249/32)"}},
		"larger range":       {"other", "198.51.0.0/16", []string{"198.51.100.0/27 is routed", "198.51.100.248/29 is routed"}},
		"link of a sandbox":  {hostLink, "10.0.0.0/8", []string{"grpc-edge0 exists already"}},
		"link and its route": {hostLink, "198.51.100.0/27", []string{"grpc-edge0 exists already", "198.51.100.0/27 is routed"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			link := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: test.link}}
			if err := netlink.LinkAdd(link); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := netlink.LinkDel(link); err != nil {
					t.Error(err)
				}
			}()
			if err := netlink.LinkSetUp(link); err != nil {
				t.Fatal(err)
			}
			if err := netlink.RouteAdd(&netlink.Route{LinkIndex: link.Index, Dst: ipNet(netip.MustParsePrefix(test.route))}); err != nil {
				t.Fatal(err)
			}
			err := Taken()
			if len(test.want) == 0 {
				if err != nil {
					t.Errorf("got %v, want nothing in the way", err)
				}
				return
			}
			if err == nil || strings.Count(err.Error(), "\n")+1 != len(test.want) {
				t.Fatalf("got %v, want %d messages", err, len(test.want))
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %v, want %q", err, part)
				}
			}
		})
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	before := 0
	for round := range 2 { // the first opens what the Go runtime keeps
		n, err := New()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(); err == nil {
			t.Fatal("a second network on one host gave no error")
		}
		if err := Taken(); err == nil {
			t.Error("the second network took away the first's link")
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if err := Taken(); err != nil {
			t.Errorf("after closing: %v", err)
		}
		open, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		if round == 1 && len(open) != before {
			t.Errorf("%d files are open after closing, and %d were before", len(open), before)
		}
		before = len(open)
	}
}
