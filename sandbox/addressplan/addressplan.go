// Package addressplan lists the addresses that the sandbox takes, in one place.
package addressplan

import "net/netip"

// All but Metadata and PrivateGoogleAPIs are within TEST-NET-2 (RFC 5737), which no real network
// routes. Of these, only External and the network of HostEnd are routed into the sandbox.
var (
	// External is the range of the emulated cloud's external addresses.
	External = netip.MustParsePrefix("198.51.100.0/27")
	// GoogleAPIs answers for Google's own hosts, such as *-docker.pkg.dev.
	GoogleAPIs = netip.MustParseAddr("198.51.100.1")
	// PrivateGoogleAPIs answers pods for the same hosts: private.googleapis.com ("Configure Private
	// Google Access": 199.36.153.8/30), which only Google's networks route.
	PrivateGoogleAPIs = netip.MustParseAddr("199.36.153.8")
	// FirstEndpoint is the first address for control planes. The last is before FirstReserved.
	FirstEndpoint = netip.MustParseAddr("198.51.100.2")
	// FirstReserved is the first address that a stack can reserve.
	FirstReserved = netip.MustParseAddr("198.51.100.10")
	// HostEnd and RouterEnd are the two ends of the link into the sandbox. OtherHostEnd is a second
	// address of the host, which the edge counts as another caller.
	HostEnd      = netip.MustParsePrefix("198.51.100.249/29")
	RouterEnd    = netip.MustParsePrefix("198.51.100.250/29")
	OtherHostEnd = netip.MustParsePrefix("198.51.100.251/29")
	// Metadata is the metadata server's address, as on every Compute Engine VM
	// ("About VM metadata"). The host does not route it.
	Metadata = netip.MustParseAddr("169.254.169.254")
)
