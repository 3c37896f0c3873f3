// Package host says, before anything is changed, whether this machine can run
// the sandbox, and if not, what to do about it.
package host

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// MinMemory is for a running sandbox, 1.2 GB, or for linking the Pulumi program
	// again after a change, 4.2 GB (README, "Measured").
	MinMemory = 5 << 30
	// MinBuildMemory is for compiling the Pulumi program: its SDKs take 8.0 GB at their peak (README, "Measured").
	MinBuildMemory = 10 << 30
	// MinDisk is for the tools, their build cache and module cache, and images: 15 GiB.
	MinDisk = 15 << 30
	// MinRunDisk is the space that a sandbox takes once the tools are built.
	MinRunDisk = 2 << 30
	// evictionShare is the share of the disk that stays free: with less, nodes evict their pods
	// (evictionHard in sandbox/cluster/files/node/kubelet.yaml, 1 %).
	evictionShare = 100
)

// Facts holds what Check looks at; Read reads it from this machine.
type Facts struct {
	UID          int
	Arch         string
	Memory, Disk uint64   // available, bytes
	DiskSize     uint64   // of the file system of the state folder, bytes
	Missing      []string // kernel features
	Commands     []string // missing commands
	RootFS       string   // type of the file system of the state folder
	Hosts        error    // what is wrong with /etc/hosts
	Network      error    // what is in the network's way
	Namespaces   error    // why none can be made
}

// commands lists the commands that the machine must have, and the Debian packages with them.
// Debian's Go may be too old.
var commands = map[string]string{"python3": "python3", "apt-get": "apt", "dpkg-deb": "dpkg", "mount": "mount"}

// Read reads the facts of this machine; dir is where the sandbox keeps its files.
func Read(dir string, network func() error) (Facts, error) {
	f := Facts{UID: os.Geteuid(), Arch: runtime.GOARCH, Missing: missingFeatures()}
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return f, fmt.Errorf("reading the free space of %s: %w", dir, err)
	}
	f.Disk, f.DiskSize = disk.Bavail*uint64(disk.Bsize), disk.Blocks*uint64(disk.Bsize)
	f.RootFS = fsTypes[disk.Type]
	memory, err := AvailableMemory()
	if err != nil {
		return f, err
	}
	f.Memory = memory
	for _, c := range []string{"go", "python3", "apt-get", "dpkg-deb", "mount"} {
		if _, err := exec.LookPath(c); err != nil {
			f.Commands = append(f.Commands, c)
		}
	}
	_, f.Hosts = os.Stat("/etc/hosts")
	f.Network = network()
	namespaces := exec.Command("true")
	namespaces.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
	f.Namespaces = namespaces.Run()
	return f, nil
}

// fsTypes lists the file systems that overlayfs can't be stacked on, by magic number (statfs(2)).
var fsTypes = map[int64]string{0x794c7630: "overlayfs", 0x6969: "NFS", 0x01021997: "9p", 0x65735546: "FUSE"}

// Check returns everything that is wrong at once, each with its remedy. Tools that are still to be
// built need more memory and disk, and the Pulumi program more memory.
func (f Facts) Check(tools, program bool) error {
	var errs []error
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if f.UID != 0 {
		complain("the sandbox needs root to make namespaces and network links: run it with `sudo env \"PATH=$PATH\"`, or as root in a privileged container")
	}
	if f.UID == 0 && f.Namespaces != nil {
		complain("root may make no namespaces here (%w): start the container with `--privileged`", f.Namespaces)
	}
	if f.Arch != "amd64" {
		complain("the sandbox runs on x86-64 only, and this is %s: use an x86-64 Linux VM", f.Arch)
	}
	for _, c := range f.Commands {
		if c == "go" {
			complain("the command go is missing: install Go 1.26 or newer from https://go.dev/dl")
			continue
		}
		complain("the command %s is missing: install it, on Debian with `apt-get install %s`", c, commands[c])
	}
	memory, disk := uint64(MinMemory), uint64(MinRunDisk)
	if tools || program {
		memory = MinBuildMemory
	}
	if tools {
		disk = MinDisk
	}
	if f.Memory < memory {
		complain("%s of memory is available and %s is needed%s: stop other programs, or give the machine more", gib(f.Memory), gib(memory), buildNote(tools, program))
	}
	disk += f.DiskSize / evictionShare
	if f.Disk < disk {
		complain("%s of disk is free and %s is needed%s: free some, or clone the repository to a larger disk", gib(f.Disk), gib(disk), buildNote(tools, false))
	}
	if f.RootFS != "" {
		complain("the repository is on %s, on which containers' file systems can't be stacked: clone it to a local disk (in a container: to a volume)", f.RootFS)
	}
	for _, m := range f.Missing {
		complain("the kernel lacks %s", m)
	}
	if f.Hosts != nil {
		complain("%w: Pulumi gets one of its own, mounted over the machine's: make an empty one, `touch /etc/hosts`", f.Hosts)
	}
	if f.Network != nil {
		complain("%w", f.Network)
	}
	return errors.Join(errs...)
}

func buildNote(tools, program bool) string {
	switch {
	case tools:
		return " for the first build"
	case program:
		return " to compile the Pulumi program"
	}
	return ""
}

func gib(n uint64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }

// AvailableMemory returns the memory that programs can have without swapping, in bytes.
func AvailableMemory() (uint64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kib uint64
		if n, _ := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, errors.New("reading the available memory: /proc/meminfo does not have it")
}

// feature is something the kernel must have: a file that shows it, and the module that may bring it.
type feature struct{ name, file, module string }

var features = []feature{
	{"the overlay file system", "", "overlay"},
	{"bridge netfilter", "/proc/sys/net/bridge/bridge-nf-call-iptables", "br_netfilter"},
	{"cgroups", "/proc/cgroups", ""},
	{"network namespaces", "/proc/self/ns/net", ""},
	{"cgroup namespaces", "/proc/self/ns/cgroup", ""},
	{"seccomp", "/proc/sys/kernel/seccomp/actions_avail", ""},
}

// missingFeatures loads the module of a feature that is not there yet; a module that is idle harms nothing.
func missingFeatures() []string {
	var missing []string
	for _, f := range features {
		if f.present() {
			continue
		}
		if f.module != "" {
			_ = exec.Command("modprobe", f.module).Run()
		}
		if !f.present() {
			remedy := "use a kernel that has it, as every distribution's does"
			if f.module != "" {
				remedy = fmt.Sprintf("load it with `modprobe %s`, in a container on its host", f.module)
			}
			missing = append(missing, f.name+": "+remedy)
		}
	}
	return missing
}

func (f feature) present() bool {
	if f.file != "" {
		_, err := os.Stat(filepath.Clean(f.file))
		return err == nil
	}
	known, err := os.ReadFile("/proc/filesystems")
	return err == nil && strings.Contains(string(known), "\t"+f.module+"\n")
}
