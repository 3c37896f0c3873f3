package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Formats of single values.
var (
	// Google Cloud, "Creating and managing projects": 6 to 30 characters.
	projectID = regexp.MustCompile(`^[a-z][a-z0-9-]{4,28}[a-z0-9]$`)
	region    = regexp.MustCompile(`^[a-z]+-[a-z]+[0-9]{1,2}$`)
	// RFC 1123 labels; at least two, as a certificate needs a fully qualified name.
	dnsName     = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
	label       = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	machineType = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)+$`)
	digest      = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	// The ID of a repository has at most 63 characters, including "grpc-edge-" and
	// "-docker-hub".
	stackName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)
	anything  = regexp.MustCompile(``)
)

// armFamilies lists the machine series with Arm processors (Compute Engine, "Arm VMs on
// Compute").
var armFamilies = []string{"t2a", "c4a", "n4a", "a4x"}

func (r *reader) location(key, region string) string {
	value, ok := r.text(key)
	if value == "" {
		return region
	}
	zone, isZone := strings.CutPrefix(value, region+"-")
	_, lost := r.problems["gcp:region"] // one message is enough
	if ok && !lost && (!isZone || len(zone) != 1 || zone < "a" || zone > "z") {
		r.refuse(key, value, fmt.Sprintf("a zone of %s, such as %s-a, or empty for the whole region", region, region))
	}
	return value
}

func (r *reader) zones(key, region string) []string {
	r.known[key] = &Schema{Type: "array", Items: &Schema{Type: "string", Pattern: "^[a-z]+-[a-z]+[0-9]+-[a-z]$"}} // of any region
	zone := regexp.MustCompile("^" + regexp.QuoteMeta(region) + "-[a-z]$")
	return r.list(key, 0, zone, fmt.Sprintf("a list of zones of %s, such as [%s-a, %s-b]", region, region, region))
}

func (r *reader) architecture(key, machineKey string) string {
	value := r.oneOf(key, "amd64", "arm64")
	machine, ok := r.get(machineKey)
	family, _, _ := strings.Cut(machine, "-")
	if want := architectureOf(family); ok && value != want {
		r.refuse(key, value, fmt.Sprintf("%s, the architecture of %s %s", want, machineKey, machine))
	}
	return value
}

func architectureOf(family string) string {
	if slices.Contains(armFamilies, family) {
		return "arm64"
	}
	return "amd64"
}

// collector parses the URL, as the NetworkPolicy that lets telemetry out needs its parts.
func (r *reader) collector(key string) *Collector {
	value, ok := r.text(key)
	if !ok || value == "" {
		return nil
	}
	endpoint, err := url.Parse(value)
	if err == nil {
		labels := strings.Split(endpoint.Hostname(), ".")
		port, portErr := strconv.ParseUint(endpoint.Port(), 10, 16)
		inCluster := len(labels) == 2 || strings.HasSuffix(endpoint.Hostname(), ".svc") || strings.HasSuffix(endpoint.Hostname(), ".svc.cluster.local")
		if endpoint.Scheme == "http" && portErr == nil && port > 0 && inCluster && label.MatchString(labels[1]) {
			return &Collector{Endpoint: value, Host: endpoint.Hostname(), Namespace: labels[1], Port: int(port)}
		}
	}
	r.refuse(key, value, "http://SERVICE.NAMESPACE:PORT, such as http://collector.telemetry:4317, or empty")
	return nil
}
