package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/services/catalog/decode"
)

// edgeKeys maps the fields of [envoy.Config] to the keys they come from.
var edgeKeys = map[string]string{
	"AllowedClients": "allowedClients", "Authorities": "authorities", "ClientCA": "clientCaPem",
	"ClientCertificateRequired": "clientCertificateRequired", "ClientRate": "clientCallsPerSecond", "Collector": "otlpEndpoint",
	"DeniedClients": "deniedClients", "IgnoreUnknownQuery": "unknownQueryParameters", "Issuers": "jwtIssuers",
	"MaxConnectionAge": "maxConnectionAgeSeconds", "MaxDeadline": "maxDeadlineSeconds", "MaxStreams": "maxStreamsPerConnection",
	"Origins": "webOrigins", "PageRequestHeaders": "webRequestHeaders", "PageResponseHeaders": "webResponseHeaders",
	"Rules": "rules", "Underscores": "underscoreHeaders",
}

// edgeFields maps fields of Envoy's configuration to the names that they have in these
// keys, where more than the case differs.
var edgeFields = map[string]string{
	"JWKS": "jwks", "JWKSURI": "jwksUri", "Rate.PerSecond": "callsPerSecond", "Rate.Burst": "burst",
}

// CheckEdge reports every inconsistency of the edge: names of services that do not exist,
// and all that Envoy would refuse. Services lists the names of the services that may have a
// canary.
func (c *Config) CheckEdge(edge envoy.Config, services []string, report Report) {
	c.checkCanaries(services, report)
	checkRules(edge, report)
	others := map[string][]string{}
	for _, p := range envoy.Problems(edge) {
		if key, part := edgeKey(p.Field); key != "" {
			report(key, "%s", strings.TrimSpace(part+" is wrong: "+inKeys(p.Message)))
		} else {
			others[p.Field] = append(others[p.Field], p.Message)
		}
	}
	for _, field := range slices.Sorted(maps.Keys(others)) {
		report("the edge", "cannot be generated from the services: %s: %s", field, strings.Join(others[field], "; "))
	}
}

// edgeKey returns the key that a field of the edge comes from, and the part of its value.
func edgeKey(field string) (key, part string) {
	end := strings.IndexAny(field+".", ".[")
	name, ok := edgeKeys[field[:end]]
	if !ok {
		return "", ""
	}
	part = field[end:]
	for from, to := range edgeFields {
		if rest, ok := strings.CutSuffix(part, "."+from); ok {
			part = rest + "." + to
		}
	}
	if !strings.HasPrefix(part, "[") { // the key is one value
		return "grpc-edge:" + name, ""
	}
	return "grpc-edge:" + name, lowerFields(part)
}

// lowerFields returns [0].Service as [0].service.
func lowerFields(part string) string {
	letters := []rune(part)
	for i := 1; i < len(letters); i++ {
		if letters[i-1] == '.' {
			letters[i] = unicode.ToLower(letters[i])
		}
	}
	return string(letters)
}

// inKeys replaces the names of fields in a message of the edge by the names of keys.
func inKeys(message string) string {
	var pairs []string
	for _, field := range slices.Backward(slices.Sorted(maps.Keys(edgeKeys))) {
		pairs = append(pairs, field, "grpc-edge:"+edgeKeys[field])
	}
	return strings.NewReplacer(pairs...).Replace(message)
}

// checkCanaries reports canaries of services that do not exist.
func (c *Config) checkCanaries(known []string, report Report) {
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(c.Edge.Canaries)) {
		if !slices.Contains(known, name) {
			unknown = append(unknown, fmt.Sprintf("%q", name)+decode.DidYouMean(name, known))
		}
	}
	if len(unknown) > 0 {
		report("grpc-edge:canaries", "names unknown services: %s; it must name some of %s", strings.Join(unknown, ", "), strings.Join(known, ", "))
	}
}

// checkRules reports rules that name services, authorities or issuers that do not exist.
func checkRules(edge envoy.Config, report Report) {
	var services, issuers []string
	for _, backend := range edge.Backends {
		for _, service := range backend.Services {
			services = append(services, string(service.FullName()))
		}
	}
	for _, issuer := range edge.Issuers {
		issuers = append(issuers, issuer.Name)
	}
	for i, rule := range edge.Rules {
		if !slices.Contains(services, string(rule.Service)) {
			report("grpc-edge:rules", "[%d].service is %q%s; it must be one of %s", i, rule.Service, decode.DidYouMean(string(rule.Service), services), strings.Join(services, ", "))
		}
		if rule.Authority != "" && !slices.Contains(edge.Authorities, rule.Authority) {
			report("grpc-edge:rules", "[%d].authority is %q%s; it must be one of grpc-edge:authorities", i, rule.Authority, decode.DidYouMean(rule.Authority, edge.Authorities))
		}
		for j, name := range rule.Issuers {
			if !slices.Contains(issuers, name) {
				report("grpc-edge:rules", "[%d].issuers[%d] is %q%s; it must be the name of one in grpc-edge:jwtIssuers", i, j, name, decode.DidYouMean(name, issuers))
			}
		}
	}
}
