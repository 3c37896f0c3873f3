package catalog

import (
	"fmt"
	"regexp"
	"strings"
)

// nameRule matches what can also be the name of a proto package, with _ for a hyphen.
// buf refuses such names with two in a row.
var nameRule = regexp.MustCompile(`^[a-z](-?[a-z0-9])*$`)

// maxName leaves room in a DNS label (RFC 1035, section 2.3.4: 63 characters) for
// suffixes of the name: -canary, a zone, a hash.
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
}

// suffixes lists the suffixes that the platform adds to names.
var suffixes = []string{"-canary", "-stable"}

// CheckName returns why a service cannot have the name, or nil.
func CheckName(name string) error {
	if !nameRule.MatchString(name) || len(name) > maxName {
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
