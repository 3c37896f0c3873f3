// Package loadgen calls services as clients do, and records how the calls end. Run is a
// closed loop, which measures how fast an edge is. Start and StartPlan are open loops, which
// show what clients notice while something else happens.
package loadgen

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
)

// Protocols lists the kinds of clients. A call of "stream" is a message and its answer on
// a bidirectional stream, one at a time. A stream that breaks fails the call in flight; if
// there is none, it fails the next call. connects is gRPC with a new connection for each
// call. It finds an Envoy that accepts connections before or after it can serve them.
var Protocols = []string{"grpc", "stream", "web", "rest", connects}

const connects = "connect"

// Target describes the edge that clients call.
type Target struct {
	// Address is host:port. TLS is the clients' config, which verifies the certificate. Nil is
	// for none.
	Address string
	TLS     *tls.Config
}

// TargetOf returns the edge that the outputs of a stack describe, as `pulumi stack output
// --json` prints them.
func TargetOf(outputs []byte) (Target, error) {
	var edge struct{ Address, Authority, CACertificate string }
	if err := json.Unmarshal(outputs, &edge); err != nil {
		return Target{}, fmt.Errorf("reading the stack's outputs: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(edge.CACertificate)) {
		return Target{}, errors.New("the output caCertificate holds no certificate")
	}
	return Target{
		Address: edge.Address + ":443",
		TLS:     &tls.Config{RootCAs: pool, ServerName: edge.Authority, MinVersion: tls.VersionTLS12},
	}, nil
}
