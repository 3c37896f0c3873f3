package config

import "regexp"

// Monitoring describes the monitoring of the edge.
type Monitoring struct {
	// Enabled creates the dashboard, the alerts and the resource that scrapes Envoy.
	Enabled bool
	// Emails lists the addresses that alerts are sent to.
	Emails []string
	// ErrorPercent and P99Milliseconds are the limits. An alert fires after five minutes
	// above one.
	ErrorPercent, P99Milliseconds int
}

var email = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s]+$`)

func (r *reader) monitoring() Monitoring {
	return Monitoring{
		Enabled:         r.boolean("grpc-edge:monitoring"),
		Emails:          r.list("grpc-edge:alertEmails", 0, email, "a list of mail addresses"),
		ErrorPercent:    r.integer("grpc-edge:alertErrorPercent", 1, 100),
		P99Milliseconds: r.integer("grpc-edge:alertP99Milliseconds", 1, 600_000),
	}
}
