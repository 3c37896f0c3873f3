package networkpolicy

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gotest.tools/v3/golden"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

var node = Node{Name: "node", Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("192.168.0.2")}}

// load reads a case's cluster.
func load(t *testing.T, name string) Cluster {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name, "input.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var cluster Cluster
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var kind struct{ Kind string }
		if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
			t.Fatal(err)
		}
		switch kind.Kind {
		case "Pod":
			cluster.Pods = append(cluster.Pods, decode[corev1.Pod](t, document))
		case "Namespace":
			cluster.Namespaces = append(cluster.Namespaces, decode[corev1.Namespace](t, document))
		case "NetworkPolicy":
			cluster.Policies = append(cluster.Policies, decode[networkingv1.NetworkPolicy](t, document))
		default:
			t.Fatalf("%s: unexpected kind %q", name, kind.Kind)
		}
	}
	return cluster
}

func decode[T any](t *testing.T, document string) *T {
	t.Helper()
	object := new(T)
	if err := yaml.UnmarshalStrict([]byte(document), object); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestRulesGolden(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"edge", "all-features"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := load(t, name)
			got := Rules(node, cluster)
			slices.Reverse(cluster.Pods)
			slices.Reverse(cluster.Policies)
			if again := Rules(node, cluster); string(again) != string(got) {
				t.Error("another order of pods and policies gives other rules")
			}
			golden.AssertBytes(t, got, filepath.Join(name, "iptables"))
		})
	}
}

// TestPackets checks what the rules do to packets, as iptables would read them.
func TestPackets(t *testing.T) {
	t.Parallel()
	const envoy, echo, far, dns, web, db = "10.1.0.10", "10.1.0.11", "10.1.1.11", "10.1.0.12", "10.1.0.10", "10.1.0.11"
	cases := []struct {
		cluster, from, to, protocol string
		port                        int
		want                        bool
	}{
		{"edge", "198.51.100.1", envoy, "tcp", 8443, true},
		{"edge", "198.51.100.1", envoy, "tcp", 9090, false},
		{"edge", "198.51.100.1", echo, "tcp", 8080, false},
		{"edge", envoy, echo, "tcp", 8080, true},
		{"edge", envoy, echo, "tcp", 8081, false},
		{"edge", envoy, far, "tcp", 8080, true},
		{"edge", envoy, "198.51.100.1", "tcp", 443, false},
		{"edge", echo, envoy, "tcp", 8443, false},
		{"edge", echo, echo, "tcp", 1, true}, // itself
		{"edge", far, echo, "tcp", 8080, false},
		{"edge", echo, dns, "udp", 53, true},
		{"edge", echo, dns, "udp", 54, false},
		{"edge", dns, "198.51.100.1", "udp", 53, true}, // no policy selects it
		{"edge", "10.1.0.1", echo, "tcp", 8080, true},  // the node
		{"all-features", "10.2.3.4", web, "tcp", 80, true},
		{"all-features", "10.2.3.4", web, "udp", 81, true},
		{"all-features", "10.2.3.4", web, "tcp", 81, false},
		{"all-features", "10.2.3.4", web, "tcp", 9010, true},
		{"all-features", "10.2.3.4", web, "tcp", 9011, false},
		{"all-features", "10.1.3.4", web, "tcp", 80, false},
		{"all-features", "10.129.3.4", web, "tcp", 80, false},
		{"all-features", "11.0.0.1", web, "tcp", 80, false},
		{"all-features", db, web, "sctp", 7, true},
		{"all-features", db, web, "tcp", 7, false},
		{"all-features", web, db, "tcp", 5432, true},
		{"all-features", web, db, "tcp", 80, false},
		{"all-features", web, "203.0.113.9", "udp", 9, true},
		{"all-features", web, "203.0.114.9", "udp", 9, false},
		{"all-features", web, "10.1.0.99", "tcp", 5432, false},
	}
	for _, c := range cases {
		rules := string(Rules(node, load(t, c.cluster)))
		packet := packet{netip.MustParseAddr(c.from), netip.MustParseAddr(c.to), c.protocol, c.port}
		if _, dropped := walk(t, rules, egressChain, packet); dropped == c.want {
			t.Errorf("%s: %s to %s %s/%d: allowed %v, want %v", c.cluster, c.from, c.to, c.protocol, c.port, !dropped, c.want)
		}
	}
}

type packet struct {
	from, to netip.Addr
	protocol string
	port     int
}

// walk takes a new packet through a chain the way iptables does: left says that
// a goto has ended the chain.
func walk(t *testing.T, rules, chain string, p packet) (left, dropped bool) {
	t.Helper()
	for line := range strings.Lines(rules) {
		rest, found := strings.CutPrefix(strings.TrimSpace(line), "-A "+chain+" ")
		if !found || strings.Contains(rest, "ctstate") || !matched(t, rest, p) {
			continue
		}
		words := strings.Fields(rest)
		how, target := words[len(words)-2], words[len(words)-1]
		switch {
		case target == "DROP":
			return true, true
		case target == "RETURN":
			return false, false
		case how == "-g":
			_, dropped := walk(t, rules, target, p)
			return true, dropped
		case how == "-j":
			if _, dropped := walk(t, rules, target, p); dropped {
				return true, true
			}
		default:
			t.Fatalf("rule %q has no target", rest)
		}
	}
	return false, false
}

func matched(t *testing.T, rule string, p packet) bool {
	t.Helper()
	words := strings.Fields(rule)
	for i, word := range words[:len(words)-1] {
		value := words[i+1]
		switch word {
		case "-s", "-d":
			if !strings.Contains(value, "/") {
				value += "/32"
			}
			address := map[string]netip.Addr{"-s": p.from, "-d": p.to}[word]
			if !netip.MustParsePrefix(value).Contains(address) {
				return false
			}
		case "-p":
			if value != p.protocol {
				return false
			}
		case "--dport":
			first, last, isRange := strings.Cut(value, ":")
			if !isRange {
				last = first
			}
			low, errLow := strconv.Atoi(first)
			high, errHigh := strconv.Atoi(last)
			if errLow != nil || errHigh != nil {
				t.Fatalf("rule %q has a wrong port", rule)
			}
			if p.port < low || p.port > high {
				return false
			}
		}
	}
	return true
}

func TestWithout(t *testing.T) {
	t.Parallel()
	cases := []struct{ block, except, want string }{
		{"10.0.0.0/30", "", "10.0.0.0/30"},
		{"10.0.0.0/30", "10.0.0.1/32", "10.0.0.0/32 10.0.0.2/31"},
		{"10.0.0.0/30", "10.0.0.0/31 10.0.0.3/32", "10.0.0.2/32"},
		{"10.0.0.0/30", "10.0.0.0/29", ""},
		{"10.0.0.0/30", "192.0.2.0/24", "10.0.0.0/30"},
		{"0.0.0.0/0", "128.0.0.0/1", "0.0.0.0/1"},
	}
	for _, c := range cases {
		var exceptions []netip.Prefix
		for _, text := range strings.Fields(c.except) {
			exceptions = append(exceptions, netip.MustParsePrefix(text))
		}
		var got []string
		for _, block := range without(netip.MustParsePrefix(c.block), exceptions) {
			got = append(got, block.String())
		}
		if !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("without(%s, %q) = %q, want %q", c.block, c.except, got, c.want)
		}
	}
}
