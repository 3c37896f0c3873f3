package chassistest

import (
	"net"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// DNS is a server that answers every name with the same A records, as CoreDNS does for a headless
// Service: NXDOMAIN if there are no pods. It is not envoy/nameserver, because a service does not
// require the module of the edge.
type DNS struct {
	t          *testing.T
	connection net.PacketConn
	mutex      sync.Mutex
	records    []string
}

// StartDNS serves until the test ends, at first without records.
func StartDNS(t *testing.T) *DNS {
	t.Helper()
	connection, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() }) // the test is over
	d := &DNS{t: t, connection: connection}
	go d.serve()
	return d
}

// Target returns a target of gRPC that resolves the name by this server.
func (d *DNS) Target(name, port string) string {
	return "dns://" + d.connection.LocalAddr().String() + "/" + name + ":" + port
}

// Set replaces the records by those with these addresses.
func (d *DNS) Set(addresses ...string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.records = addresses
}

func (d *DNS) serve() {
	buffer := make([]byte, 512)
	for {
		n, from, err := d.connection.ReadFrom(buffer)
		if err != nil {
			return
		}
		var query dnsmessage.Message
		if err := query.Unpack(buffer[:n]); err != nil || len(query.Questions) != 1 {
			continue
		}
		reply, err := d.reply(query)
		if err != nil {
			d.t.Errorf("answering %v: %v", query.Questions, err)
			return
		}
		_, _ = d.connection.WriteTo(reply, from) // the client asks again
	}
}

func (d *DNS) reply(query dnsmessage.Message) ([]byte, error) {
	question := query.Questions[0]
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true, RecursionDesired: query.RecursionDesired},
		Questions: query.Questions,
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if len(d.records) == 0 {
		reply.RCode = dnsmessage.RCodeNameError
	}
	if question.Type == dnsmessage.TypeA {
		for _, record := range d.records {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: question.Class},
				Body:   &dnsmessage.AResource{A: [4]byte(net.ParseIP(record).To4())},
			})
		}
	}
	return reply.Pack()
}
