// Package nameserver is a DNS server on loopback for tests and measurements of Envoy. Its A
// records can change like the records of a headless Service.
package nameserver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Server answers queries by UDP until it is closed.
type Server struct {
	// Address is the address that the server listens on.
	Address netip.AddrPort

	socket  net.PacketConn
	ttl     time.Duration
	mu      sync.Mutex
	records map[string][]netip.Addr // by name
}

// Start returns a server without records. Clients may keep an answer for the ttl, in whole seconds.
func Start(ttl time.Duration) (*Server, error) {
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the name server: %w", err)
	}
	s := &Server{
		Address: netip.MustParseAddrPort(socket.LocalAddr().String()),
		socket:  socket, ttl: ttl, records: map[string][]netip.Addr{},
	}
	go s.serve()
	return s, nil
}

// Close stops the server.
func (s *Server) Close() error { return s.socket.Close() }

// Set replaces the A records of a name, which ends with a dot. Each host is an IPv4 address.
func (s *Server) Set(name string, hosts ...string) {
	var records []netip.Addr
	for _, host := range hosts {
		records = append(records, netip.MustParseAddr(host))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[name] = records
}

func (s *Server) serve() {
	query := make([]byte, 1500)
	for {
		n, from, err := s.socket.ReadFrom(query)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if answer, err := s.answer(query[:n]); err == nil {
			_, _ = s.socket.WriteTo(answer, from)
		}
	}
}

// answer lists the records of the name. The answer is NXDOMAIN if there are none.
func (s *Server) answer(query []byte) ([]byte, error) {
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
				Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: uint32(s.ttl.Seconds())},
				Body:   &dnsmessage.AResource{A: record.As4()},
			})
		}
	}
	return reply.Pack()
}
