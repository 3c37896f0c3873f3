package backend

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer is a DNS server that returns the hosts as the A records of Name.
type nameServer struct {
	address netip.AddrPort
	socket  net.PacketConn
	records []netip.Addr
}

func newNameServer(hosts []string) (*nameServer, error) {
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the name server: %w", err)
	}
	s := &nameServer{address: netip.MustParseAddrPort(socket.LocalAddr().String()), socket: socket}
	for _, host := range hosts {
		s.records = append(s.records, netip.MustParseAddr(host))
	}
	go s.serve()
	return s, nil
}

func (s *nameServer) serve() {
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

// answer returns the reply to a query. Other names get NXDOMAIN. Types other than A get no
// records.
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
	header.Response, header.Authoritative = true, true
	reply := dnsmessage.Message{Header: header, Questions: []dnsmessage.Question{question}}
	switch {
	case question.Name.String() != Name:
		reply.RCode = dnsmessage.RCodeNameError
	case question.Type == dnsmessage.TypeA:
		for _, record := range s.records {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: 60},
				Body:   &dnsmessage.AResource{A: record.As4()},
			})
		}
	}
	return reply.Pack()
}
