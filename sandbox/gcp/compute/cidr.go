package compute

import (
	"encoding/binary"
	"net/netip"
)

// prohibited lists the ranges that no subnet may have ("Prohibited IPv4 subnet ranges" in
// "Subnets", VPC documentation).
var prohibited = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("199.36.153.4/30"),
	netip.MustParsePrefix("199.36.153.8/30"),
	netip.MustParsePrefix("224.0.0.0/4"),
	netip.MustParsePrefix("255.255.255.255/32"),
}

// autoMode is the range from which networks in auto mode take their subnets ("Auto mode IPv4
// ranges" in "Subnets", VPC documentation).
var autoMode = netip.MustParsePrefix("10.128.0.0/9")

// externalIPv6 is the range from which dual-stack subnets take their /64. Google uses
// ranges of its own. This one is for documentation (RFC 3849), so nothing is reachable in it.
var externalIPv6 = netip.MustParsePrefix("2001:db8::/32")

// block returns the n-th range of a size within a range; the first one is number 0.
func block(p netip.Prefix, bits int, n uint64) netip.Prefix {
	a := p.Masked().Addr().As16() // an IPv4 address is in its last 32 bits
	high, low := binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])
	if end := bits + 128 - p.Addr().BitLen(); end <= 64 {
		high += n << (64 - end)
	} else {
		low += n << (128 - end)
	}
	binary.BigEndian.PutUint64(a[:8], high)
	binary.BigEndian.PutUint64(a[8:], low)
	return netip.PrefixFrom(netip.AddrFrom16(a).Unmap(), bits)
}

// RangeProblem returns why a string is no range for a subnet, or "".
func RangeProblem(s string) string {
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil || !p.Addr().Is4():
		return "not an IPv4 range in CIDR notation, such as 10.0.0.0/20"
	case p != p.Masked():
		return "host bits are set: the range is " + p.Masked().String()
	case p.Bits() < 4 || p.Bits() > 29:
		return "the prefix length must be between 4 and 29"
	}
	for _, q := range prohibited {
		if p.Overlaps(q) {
			return "it overlaps with " + q.String() + ", which no subnet may use"
		}
	}
	return ""
}

// Nth returns the n-th address of a range; the first one is number 0.
func Nth(p netip.Prefix, n uint32) netip.Addr {
	a := p.Masked().Addr().As4()
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(a[:])+n)
	return netip.AddrFrom4(a)
}

// FreeRange returns the first range of a size in pool that overlaps with none
// of those taken.
func FreeRange(pool netip.Prefix, bits int, taken []netip.Prefix) (netip.Prefix, bool) {
	for n := uint64(0); n < 1<<(bits-pool.Bits()); n++ {
		candidate := block(pool, bits, n)
		if !OverlapsAny(candidate, taken) {
			return candidate, true
		}
	}
	return netip.Prefix{}, false
}

// OverlapsAny reports whether a range overlaps with one of others.
func OverlapsAny(p netip.Prefix, others []netip.Prefix) bool {
	for _, q := range others {
		if p.Overlaps(q) {
			return true
		}
	}
	return false
}

// ParseRange parses a range that was checked; anything else is the zero prefix.
func ParseRange(s string) netip.Prefix {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
