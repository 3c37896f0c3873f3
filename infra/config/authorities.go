package config

import "slices"

const authoritiesKey = "grpc-edge:authorities"

// authorities reads the names that clients call.
func (r *reader) authorities() []string {
	names := r.list(authoritiesKey, 1, dnsName, "a list of DNS names in lower case, such as [grpc.example.com]")
	for i, name := range names {
		if first := slices.Index(names, name); first < i {
			r.report(authoritiesKey, "[%d] is %q, as [%d] is; remove one of them", i, name, first)
		}
	}
	return names
}
