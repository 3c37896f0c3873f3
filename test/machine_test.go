package test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// machineState holds everything that a sandbox could leave behind on a machine, sorted, by
// kind.
type machineState map[string][]string

// readMachine reads the machine's state. ours is the checkout, whose processes it lists.
func readMachine(t *testing.T, ours checkout, root string) machineState {
	t.Helper()
	return machineState{
		"processes":      processes(ours),
		"mounts":         lines(t, "/proc/self/mounts"),
		"links":          names(t, "/sys/class/net"),
		"routes":         append(lines(t, "/proc/net/route"), lines(t, "/proc/net/ipv6_route")...),
		"addresses":      localAddresses(t),
		"legacy xtables": lines(t, "/proc/net/ip_tables_names"),
		"nft rules":      nftRules(t, root),
		"cgroups":        cgroups(t),
		"sysctls":        sysctls(t),
		"files":          files(t),
	}
}

// processes returns the processes that belong to a sandbox: their program or an argument is
// in the checkout. Other processes of the machine may start and end.
func processes(ours checkout) []string {
	var list []string
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		command, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil {
			continue
		}
		exe, _ := os.Readlink(filepath.Join(dir, "exe"))
		if strings.Contains(string(command)+exe, ours.dir) {
			list = append(list, filepath.Base(dir)+" "+strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return list
}

func lines(t *testing.T, file string) []string {
	t.Helper()
	content, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	list := strings.Split(strings.TrimSpace(string(content)), "\n")
	slices.Sort(list)
	return list
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// localAddresses returns the addresses in the kernel's routing tables.
func localAddresses(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, line := range lines(t, "/proc/net/fib_trie") {
		list = append(list, strings.TrimSpace(line))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// counted matches the packets and bytes of a chain, which change on a machine that has rules of
// its own, such as Docker's.
var counted = regexp.MustCompile(` \[\d+:\d+\]$`)

// nftRules lists the rules with the sandbox's own copy of iptables, as the machine may have
// none.
func nftRules(t *testing.T, root string) []string {
	t.Helper()
	packages := filepath.Join(root, ".cache", "packages")
	cmd := exec.Command(filepath.Join(packages, "alternatives", "iptables-save"))
	cmd.Env = append(os.Environ(),
		"LD_LIBRARY_PATH="+filepath.Join(packages, "root/usr/lib/x86_64-linux-gnu"),
		"XTABLES_LIBDIR="+filepath.Join(packages, "root/usr/lib/x86_64-linux-gnu/xtables"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("listing nftables rules: %v\n%s", err, out)
	}
	var rules []string
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "#") { // comments carry the time
			rules = append(rules, counted.ReplaceAllString(strings.TrimSpace(line), ""))
		}
	}
	return rules
}

func cgroups(t *testing.T) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(path, "grpc-edge") || err == nil && d.IsDir() && strings.Contains(path, "kubepods") {
			list = append(list, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// sysctls returns the sysctls that a node sets and that no namespace isolates.
func sysctls(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, key := range []string{
		"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
		"kernel/keys/root_maxbytes", "net/ipv4/ip_forward", "net/netfilter/nf_conntrack_max", "fs/inotify/max_user_instances",
	} {
		for _, value := range lines(t, "/proc/sys/"+key) {
			list = append(list, key+"="+value)
		}
	}
	return list
}

// files returns the files in the system's folders, two levels deep. Programs of the machine
// write deeper files while the test runs. In /tmp it is one level, without the files of the
// Go tools that run this test.
func files(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, name := range names(t, "/tmp") {
		if !strings.HasPrefix(name, "go-") && !strings.HasPrefix(name, "Test") {
			list = append(list, "/tmp/"+name)
		}
	}
	for _, top := range []string{"/etc", "/opt", "/run", "/srv", "/mnt", "/usr", "/var", "/root"} {
		for _, name := range names(t, top) {
			path := filepath.Join(top, name)
			list = append(list, path)
			inner, _ := os.ReadDir(path) // most are files, and some vanish meanwhile
			for _, entry := range inner {
				list = append(list, filepath.Join(path, entry.Name()))
			}
		}
	}
	return list
}

// compare fails the test for everything that appeared or vanished. Processes and files in
// /tmp may vanish: a plugin whose engine an earlier test killed ends some minutes later.
func (before machineState) compare(t *testing.T, after machineState) {
	t.Helper()
	for kind := range before {
		for _, x := range missing(after[kind], before[kind]) {
			t.Errorf("%s: left behind: %s", kind, x)
		}
		for _, x := range missing(before[kind], after[kind]) {
			if kind == "processes" || strings.HasPrefix(x, "/tmp/") {
				continue
			}
			t.Errorf("%s: gone: %s", kind, x)
		}
	}
}

// missing returns what is in a and not in b.
func missing(a, b []string) []string {
	known := map[string]bool{}
	for _, x := range b {
		known[x] = true
	}
	var list []string
	for _, x := range a {
		if !known[x] {
			list = append(list, x)
		}
	}
	return list
}
