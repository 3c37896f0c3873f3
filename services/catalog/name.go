package catalog

import (
	"fmt"
	"regexp"
	"strings"
)

// namePattern matches what can also be the name of a proto package, with _ for a hyphen.
// buf refuses such names with two in a row.
var namePattern = regexp.MustCompile(`^[a-z](-?[a-z0-9])*$`)

// MaxLabel is the maximum length of a DNS label (RFC 1035, section 2.3.4).
const MaxLabel = 63

// maxName leaves room in a DNS label for suffixes of the name: -canary, a zone, a hash.
const maxName = 40

// reserved lists names with a meaning of their own.
var reserved = map[string]string{
	"envoy":     "is the edge itself",
	"edge":      "is the edge itself",
	"lifecycle": "is the image of the program that starts and drains Envoy",
	"directory": "answers reflection and health at the edge",
	"catalog":   "is the list of services",
	"chassis":   "is the code that services share",
	"internal":  "is a folder that Go lets no other module import",
	"vendor":    "is a folder that Go keeps copies of modules in",
	"testdata":  "is a folder that Go does not build",

	"default":      "is the service account that Kubernetes makes in every namespace",
	"default-deny": "is a network policy of the namespace",
	"allow-dns":    "is a network policy of the namespace",
}

// suffixes lists the suffixes that the platform adds to names.
var suffixes = []string{"-canary", "-stable"}

// ZoneName returns the name of the pods of a service in one zone.
func ZoneName(name, zone string) string { return name + "-" + zone }

// CheckName returns why a service cannot have the name, or nil.
func CheckName(name string) error {
	if !namePattern.MatchString(name) || len(name) > maxName {
		return fmt.Errorf("the name %q must be a lower case letter and then lower case letters, digits or single hyphens, at most %d characters, such as greeter", name, maxName)
	}
	if why, ok := reserved[name]; ok {
		return fmt.Errorf("the name %q %s; choose another", name, why)
	}
	for _, suffix := range suffixes {
		if strings.HasSuffix(name, suffix) {
			return fmt.Errorf("the name %q ends in %s, as the name of a second version does; choose another", name, suffix)
		}
	}
	return nil
}
