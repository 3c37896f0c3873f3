package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func newAuthority(t *testing.T, dir string) *Authority {
	t.Helper()
	ca, err := OpenAuthority(dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// issued issues a certificate for identity and returns it.
func issued(t *testing.T, ca *Authority, file string, identity Identity) *x509.Certificate {
	t.Helper()
	certFile, keyFile, err := ca.Issue(file, identity)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile) // the two must fit
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func TestAuthorityPersists(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "pki")
	first := newAuthority(t, dir)
	again := newAuthority(t, dir)
	if string(again.PEM()) != string(first.PEM()) {
		t.Error("opening an authority again made another")
	}
	if file, err := os.ReadFile(first.CertFile()); err != nil || string(file) != string(first.PEM()) {
		t.Errorf("the file holds %q (%v), want the certificate", file, err)
	}
	verify(t, first, issued(t, again, "server", Identity{Name: "server", DNSNames: []string{"server"}}), "server")
	other := newAuthority(t, t.TempDir())
	if string(other.PEM()) == string(first.PEM()) {
		t.Error("two authorities are the same")
	}
	wantMode(t, dir, 0o700)
	wantMode(t, filepath.Join(dir, "ca.key"), 0o600)
	wantMode(t, filepath.Join(dir, "server.key"), 0o600)
}

func TestBrokenAuthority(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(dir string) error
		want   string
	}{
		"no PEM": {func(dir string) error { return os.WriteFile(filepath.Join(dir, "ca.crt"), []byte("text"), 0o600) }, "make down"},
		"no key": {func(dir string) error { return os.Remove(filepath.Join(dir, "ca.key")) }, "ca.key: no such file"},
	}
	for name, test := range tests {
		dir := t.TempDir()
		newAuthority(t, dir)
		if err := test.change(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenAuthority(dir, "test"); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func verify(t *testing.T, ca *Authority, cert *x509.Certificate, name string) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM())
	for _, at := range []time.Time{time.Now(), time.Now().AddDate(5, 0, 0)} {
		options := x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
		if _, err := cert.Verify(options); err != nil {
			t.Errorf("verifying for %s at %s: %v", name, at.Format(time.DateOnly), err)
		}
	}
}

func TestIssue(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, t.TempDir())
	identity := Identity{
		Name: "system:node:a", Organizations: []string{"system:nodes"}, DNSNames: []string{"a", "a.example"},
		Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("127.0.0.1")},
	}
	cert := issued(t, ca, "a", identity)
	for _, name := range []string{"a", "a.example", "10.0.0.2", "127.0.0.1"} {
		verify(t, ca, cert, name)
	}
	if cert.VerifyHostname("b") == nil || cert.VerifyHostname("10.0.0.3") == nil {
		t.Error("the certificate is for others, too")
	}
	if diff := cmp.Diff([]string{"system:nodes"}, cert.Subject.Organization); cert.Subject.CommonName != "system:node:a" || diff != "" {
		t.Errorf("the subject is %s", cert.Subject)
	}
	want := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	if diff := cmp.Diff(want, cert.ExtKeyUsage); diff != "" {
		t.Errorf("the usages differ (-want +got):\n%s", diff)
	}
	if cert.IsCA {
		t.Error("what was issued may issue")
	}
}

// TestIssueAgain keeps a certificate through restarts, and replaces one of an
// earlier VM of the same name.
func TestIssueAgain(t *testing.T) {
	t.Parallel()
	node := func(change func(*Identity)) Identity {
		i := Identity{
			Name: "system:node:a", Organizations: []string{"system:nodes"}, DNSNames: []string{"a"},
			Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2")},
		}
		change(&i)
		return i
	}
	tests := map[string]struct {
		again Identity
		kept  bool
	}{
		"same":               {node(func(*Identity) {}), true},
		"other address":      {node(func(i *Identity) { i.Addresses = []netip.Addr{netip.MustParseAddr("10.0.0.3")} }), false},
		"further address":    {node(func(i *Identity) { i.Addresses = append(i.Addresses, netip.MustParseAddr("10.0.0.3")) }), false},
		"other name":         {node(func(i *Identity) { i.Name = "system:node:b" }), false},
		"other DNS name":     {node(func(i *Identity) { i.DNSNames = []string{"b"} }), false},
		"other organization": {node(func(i *Identity) { i.Organizations = nil }), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			first := issued(t, newAuthority(t, dir), "a", node(func(*Identity) {}))
			second := issued(t, newAuthority(t, dir), "a", test.again)
			if kept := first.Equal(second); kept != test.kept {
				t.Errorf("kept is %t, want %t", kept, test.kept)
			}
			if second.Subject.CommonName != test.again.Name || second.VerifyHostname(test.again.Addresses[0].String()) != nil {
				t.Errorf("the certificate is for %s at %v, want %s at %v", second.Subject, second.IPAddresses, test.again.Name, test.again.Addresses)
			}
		})
	}
}

// TestIssueAfterInterruption issues again what was not written completely.
func TestIssueAfterInterruption(t *testing.T) {
	t.Parallel()
	identity := Identity{Name: "a", DNSNames: []string{"a"}}
	for _, lost := range []string{"a.key", "a.crt"} {
		for _, cut := range []bool{false, true} {
			dir := t.TempDir()
			ca := newAuthority(t, dir)
			issued(t, ca, "a", identity)
			file := filepath.Join(dir, lost)
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if cut {
				if err := os.WriteFile(file, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			verify(t, ca, issued(t, ca, "a", identity), "a")
		}
	}
}

func wantMode(t *testing.T, file string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %o, want %o", file, got, want)
	}
}
