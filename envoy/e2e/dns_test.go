package e2e

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/prototest"
)

// podsName is a name like that of a headless Service. The final dot keeps Envoy from
// trying it in the search domains of the machine.
const podsName = "pods.test."

// nameServer has A records, and they can change.
type nameServer struct {
	address netip.AddrPort
	mu      sync.Mutex
	records map[string][]netip.Addr // by name
}

// newNameServer returns a server with the hosts as records of podsName.

func newNameServer(t *testing.T, hosts ...string) *nameServer {
	t.Helper()
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	s := &nameServer{
		address: netip.MustParseAddrPort(socket.LocalAddr().String()),
		records: map[string][]netip.Addr{},
	}
	s.set(hosts...)
	go func() {
		query := make([]byte, 1500)
		for {
			n, from, err := socket.ReadFrom(query)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if answer, err := s.answer(query[:n]); err == nil {
				_, _ = socket.WriteTo(answer, from)
			}
		}
	}()
	return s
}

// set replaces the A records of podsName.
func (s *nameServer) set(hosts ...string) { s.setName(podsName, hosts...) }

// setName replaces the A records of the name.
func (s *nameServer) setName(name string, hosts ...string) {
	var records []netip.Addr
	for _, host := range hosts {
		records = append(records, netip.MustParseAddr(host))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[name] = records
}

// answer lists the records of the name, or NXDOMAIN if there are none.
func (s *nameServer) answer(query []byte) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil {
		return nil, err
	}
	question, err := parser.Question()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	records := slices.Clone(s.records[question.Name.String()])
	s.mu.Unlock()
	header.Response, header.Authoritative = true, true
	reply := dnsmessage.Message{Header: header, Questions: []dnsmessage.Question{question}}
	if len(records) == 0 {
		reply.RCode = dnsmessage.RCodeNameError
	}
	if question.Type == dnsmessage.TypeA {
		for _, record := range records {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: 5},
				Body:   &dnsmessage.AResource{A: record.As4()},
			})
		}
	}
	return reply.Pack()
}

// probeAt returns a backend that serves test.Probe at the name and port.
func probeAt(t testing.TB, name string, port uint32) envoy.Backend {
	t.Helper()
	return envoy.Backend{Name: "probe", Address: name, Port: port, Services: prototest.Services(t, probeProto)}
}
