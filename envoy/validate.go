package envoy

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// dnsLabel matches a label of RFC 1123, in the lower case that Kubernetes demands.
var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// validate reports everything that is wrong, not just the first thing.
func (c Config) validate() error {
	errs := []error{c.validatePorts(), c.validateBackends(), c.validateTimes()}
	for _, dir := range []struct{ field, value string }{
		{"ConfigDir", c.ConfigDir}, {"CertificateDir", c.CertificateDir},
	} {
		if !path.IsAbs(dir.value) {
			errs = append(errs, fmt.Errorf("%s: %q must be an absolute path, such as %s", dir.field, dir.value, ConfigDir))
		}
	}
	if c.DrainFile != "" && !path.IsAbs(c.DrainFile) {
		errs = append(errs, fmt.Errorf("DrainFile: %q must be an absolute path, such as /run/drain/pressure, or empty for none", c.DrainFile))
	}
	for i, resolver := range c.Resolvers {
		if !resolver.IsValid() || resolver.Port() == 0 {
			errs = append(errs, fmt.Errorf("%s[%d]: %q must be an IP address and a port, such as 10.0.0.10:53", "Resolvers", i, resolver))
		}
	}
	if c.MaxConnections < 1 {
		errs = append(errs, fmt.Errorf("MaxConnections: %d must be at least 1", c.MaxConnections))
	}
	errs = append(errs, c.validateTLS(), c.validateAuthorities(), c.validateIssuers(), c.validateRules(), c.ClientRate.validate("ClientRate"), c.validateMemoryLimit(),
		validateClients("AllowedClients", c.AllowedClients), validateClients("DeniedClients", c.DeniedClients))
	errs = append(errs, c.validateOrigins(), c.validatePageHeaders(), c.validateCollector(), c.validateREST())
	return errors.Join(errs...)
}

func (c Config) validatePorts() error {
	var errs []error
	owner := map[uint32]string{}
	for _, port := range []struct {
		field  string
		number uint32
	}{
		{"HTTPSPort", c.HTTPSPort}, {"MetricsPort", c.MetricsPort}, {"ReadyPort", c.ReadyPort}, {"AdminPort", c.AdminPort},
	} {
		errs = append(errs, validatePort(port.field, port.number))
		if first, taken := owner[port.number]; taken {
			errs = append(errs, fmt.Errorf("%s: %d is already the %s; give each its own", port.field, port.number, first))
		}
		owner[port.number] = port.field
	}
	return errors.Join(errs...)
}

func (c Config) validateBackends() error {
	if len(c.Backends) == 0 {
		return fmt.Errorf("%s: none given; name at least one", "Backends")
	}
	var errs []error
	names, canaries, owner := map[string]int{}, map[string]int{}, map[protoreflect.FullName]string{}
	for i, backend := range c.Backends {
		field := fmt.Sprintf("Backends[%d]", i)
		errs = append(errs, backend.validate(field))
		if first, taken := names[backend.Name]; taken {
			errs = append(errs, fmt.Errorf("%s.Name: %q is already the name of Backends[%d]", field, backend.Name, first))
		} else {
			names[backend.Name] = i
		}
		if backend.Canary != nil {
			canaries[canaryName(backend.Name)] = i
		}
		for j, service := range backend.Services {
			at := fmt.Sprintf("%s.Services[%d]", field, j)
			if first, taken := owner[service.FullName()]; taken {
				errs = append(errs, fmt.Errorf("%s: %s is already routed by %s; route a service once", at, service.FullName(), first))
			} else {
				owner[service.FullName()] = at
			}
		}
	}
	for i, backend := range c.Backends {
		if owner, taken := canaries[backend.Name]; taken {
			errs = append(errs, fmt.Errorf("Backends[%d].Name: %q is the name of the canary of Backends[%d]", i, backend.Name, owner))
		}
	}
	return errors.Join(errs...)
}

// validate checks what can be seen without the other backends.
func (b Backend) validate(field string) error {
	var errs []error
	if !dnsLabel.MatchString(b.Name) {
		errs = append(errs, fmt.Errorf("%s.Name: %q must be a DNS label: up to 63 of a-z, 0-9 and -, with - only inside", field, b.Name))
	}
	if !validDNSName(b.Address) {
		errs = append(errs, fmt.Errorf("%s.Address: %q must be a DNS name, such as echo.default.svc.cluster.local", field, b.Address))
	}
	errs = append(errs, validatePort(field+".Port", b.Port))
	errs = append(errs, b.validateZones(field), b.Canary.validate(field+".Canary", b.Name))
	if len(b.Services) == 0 {
		errs = append(errs, fmt.Errorf("%s.Services: none given; name at least one, such as api.Echo", field))
	}
	return errors.Join(errs...)
}

func validatePort(field string, number uint32) error {
	if number < 1 || number > 65535 {
		return fmt.Errorf("%s: %d must be a port from 1 to 65535", field, number)
	}
	return nil
}

// validDNSName accepts a name of RFC 1123, with or without the final dot.
func validDNSName(name string) bool {
	name = strings.TrimSuffix(name, ".")
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if !dnsLabel.MatchString(label) {
			return false
		}
	}
	return true
}
