package vm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the first process of the VMs that the tests start.
func TestMain(m *testing.M) {
	if os.Args[0] == InitName {
		fmt.Fprintln(os.Stderr, Init())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// patience is the timeout for a loaded machine; everything usually takes a second or two.
const patience = 30 * time.Second

func TestVM(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bound, target := filepath.Join(dir, "bound"), filepath.Join(dir, "target")
	for _, file := range []string{bound, target} {
		if err := os.WriteFile(file, []byte(filepath.Base(file)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	disk := filepath.Join(dir, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	cgroup := testCgroup(t)
	script := `head -c 2M /dev/zero 2>/dev/null >` + disk + `/full; echo "start name=$(hostname) env=$KEY dir=$(pwd) file=$(cat ` + target + `) ports=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)` +
		` run=$(ls /run | tr '\n' ,) pids=$(ls -d /proc/[0-9]* | wc -l) pid=$(readlink /proc/self/ns/pid) cgroup=$(readlink /proc/self/ns/cgroup) full=$(stat -c %s ` + disk + `/full)"; exec sleep 1000`
	connected := 0
	m, err := Start(Spec{
		Name: "node-1", LogDir: filepath.Join(dir, "log"), Tmpfs: map[string]string{disk: "1m"}, Binds: map[string]string{target: bound},
		Sysctls:   map[string]string{"net/ipv4/ip_unprivileged_port_start": "53"},
		Processes: []Process{{Name: "main", Args: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=" + os.Getenv("PATH"), "KEY=value"}, Dir: "/usr"}},
	}, cgroup, func(pid int) error { connected = pid; return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Stop() })
	if connected != m.Pid() {
		t.Errorf("connect got process %d, want %d", connected, m.Pid())
	}
	log := awaitLog(t, filepath.Join(dir, "log", "main.log"), 1)
	space := namespace(t, m.Pid(), "pid")
	for _, want := range []string{"name=node-1 ", "env=value ", "dir=/usr ", "file=bound ", "ports=53 ", "run=lock, ", "pid=" + space, "full=1048576"} {
		if !strings.Contains(log, want) {
			t.Errorf("the process does not see %q:\n%s", want, log)
		}
	}
	if few := regexp.MustCompile(`pids=\d `); !few.MatchString(log) { // its own and a few of the shell's
		t.Errorf("the process sees others than the VM's:\n%s", log)
	}
	for _, kind := range []string{"pid", "net", "uts", "mnt", "ipc"} {
		if namespace(t, m.Pid(), kind) == namespace(t, os.Getpid(), kind) {
			t.Errorf("the VM has no %s namespace of its own", kind)
		}
	}
	// The first process makes only the cgroup namespace itself.
	if host := "cgroup=" + namespace(t, os.Getpid(), "cgroup"); strings.Contains(log, host) {
		t.Errorf("the process is in the host's cgroup namespace (%s)", host)
	}
	if hostname, err := os.Hostname(); err != nil || hostname == "node-1" {
		t.Errorf("the host's name is %q (%v), and should not have changed", hostname, err)
	}
	if text, err := os.ReadFile(target); err != nil || string(text) != "target" {
		t.Errorf("the host sees the VM's mount: %q (%v)", text, err)
	}
	if list, err := os.ReadDir(disk); err != nil || len(list) > 0 {
		t.Errorf("the host sees what is on the VM's disk: %v (%v)", list, err)
	}
	testRun(t, m)
	testRestart(t, m, filepath.Join(dir, "log", "main.log"), space)
	testStop(t, m, cgroup, space)
}

// testRun runs programs in the VM's network.
func testRun(t *testing.T, m *VM) {
	out, err := m.Run(t.Context(), []byte("input"), []string{"KEY=run"}, "/bin/sh", "-c", `cat; echo " $KEY $(readlink /proc/self/ns/net)"`)
	if want := "input run " + namespace(t, m.Pid(), "net") + "\n"; err != nil || string(out) != want {
		t.Errorf("running a program gave %q (%v), want %q", out, err, want)
	}
	if _, err := m.Run(t.Context(), nil, nil, "/bin/sh", "-c", "echo broken >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "exit status 3: broken") {
		t.Errorf("running a program that fails gave %v, want its exit status and its message", err)
	}
	if got := namespace(t, os.Getpid(), "net"); got == namespace(t, m.Pid(), "net") {
		t.Errorf("this process was left in the VM's network namespace %s", got)
	}
}

// testRestart kills the VM's process and checks that another one starts.
func testRestart(t *testing.T, m *VM, log, space string) {
	var old []int
	for _, pid := range processes(t, space) {
		if pid != m.Pid() {
			old = append(old, pid)
		}
	}
	if len(old) != 1 {
		t.Fatalf("the VM has processes %v beside its first, want one", old)
	}
	if err := syscall.Kill(old[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitLog(t, log, 2)
	for _, pid := range processes(t, space) {
		if pid == old[0] {
			t.Errorf("the process %d that was killed is still there, so nobody reaped it", pid)
		}
	}
}

// testStop stops the VM and checks that nothing is left of it.
func testStop(t *testing.T, m *VM, cgroup Cgroup, space string) {
	for range 2 { // stopping a VM that has ended is no error
		if err := m.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	}
	select {
	case <-m.Done():
	default:
		t.Error("a stopped VM is not done")
	}
	if left := processes(t, space); len(left) != 0 {
		t.Errorf("processes %v are left", left)
	}
	if err := cgroup.Remove(); err != nil {
		t.Error(err)
	}
	for _, h := range hierarchies() {
		if _, err := os.Stat(filepath.Join(h.dir, string(cgroup))); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a cgroup is left in %s (%v)", h.dir, err)
		}
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	process := Process{Name: "main", Args: []string{"/bin/sleep", "1000"}}
	tests := map[string]struct {
		spec    Spec
		connect error
		want    string // of the error; or, after the start, of the VM's own log
	}{
		"network":    {Spec{Processes: []Process{process}}, errors.New("no link"), "preparing VM broken: no link"},
		"program":    {Spec{Processes: []Process{{Name: "main", Args: []string{"/nowhere/program"}}}}, nil, "starting main (/nowhere/program): no such file"},
		"bind mount": {Spec{Processes: []Process{process}, Binds: map[string]string{"/nowhere": "/etc"}}, nil, "mounting /etc on /nowhere: no such file"},
		"sysctl":     {Spec{Processes: []Process{process}, Sysctls: map[string]string{"net/nothing": "1"}}, nil, "setting sysctl net/nothing"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, cgroup := t.TempDir(), testCgroup(t)
			test.spec.Name, test.spec.LogDir = "broken", dir
			m, err := Start(test.spec, cgroup, func(int) error { return test.connect })
			if err != nil {
				if test.connect == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %q", err, test.want)
				}
				return
			}
			t.Cleanup(func() { _ = m.Stop() })
			if test.connect != nil {
				t.Fatalf("got no error, want %q", test.want)
			}
			select {
			case <-m.Done():
			case <-time.After(patience):
				t.Fatal("the VM did not end")
			}
			if log, err := os.ReadFile(filepath.Join(dir, "init.log")); err != nil || !strings.Contains(string(log), test.want) {
				t.Errorf("the log is %q (%v), want %q", log, err, test.want)
			}
		})
	}
}

// testCgroup returns the test's own cgroup, which is removed at its end.
func testCgroup(t *testing.T) Cgroup {
	t.Helper()
	parent := Cgroup(fmt.Sprintf("grpc-edge-test-%d-%s", os.Getpid(), strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())))
	t.Cleanup(func() {
		if err := parent.Remove(); err != nil {
			t.Error(err)
		}
	})
	return Cgroup(filepath.Join(string(parent), "vm"))
}

func namespace(t *testing.T, pid int, kind string) string {
	t.Helper()
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// processes returns the processes whose pid namespace is space, zombies included.
func processes(t *testing.T, space string) (pids []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)); err == nil && link == space {
			pids = append(pids, pid)
		}
	}
	return pids
}

// awaitLog waits until the process that writes file started n times.
func awaitLog(t *testing.T, file string, n int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if strings.Count(string(text), "start ") == n && strings.HasSuffix(string(text), "\n") {
			return string(text)
		}
		select {
		case <-ctx.Done():
			init, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "init.log"))
			t.Fatalf("the process did not start %d times; it wrote:\n%s\nand the first process:\n%s", n, text, init)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
