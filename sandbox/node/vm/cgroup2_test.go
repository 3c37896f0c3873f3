package vm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// onV2 is the environment variable that tells the test binary that the machine has only cgroup v2.
const onV2 = "GRPC_EDGE_TEST_CGROUP2"

// TestCgroupV2 runs the tests of VMs again where cgroup v2 is all there is, as on nearly
// every distribution: in the root of the machine's hierarchy, and in a container's, whose root
// is a cgroup like others and has processes. Controllers in the kernel's v1
// hierarchies are missing there, so there may be only one controller, such as hugetlb.
func TestCgroupV2(t *testing.T) {
	t.Parallel()
	if os.Getenv(onV2) != "" {
		t.Skip("this is the run for which the other test was started")
	}
	name := fmt.Sprintf("grpc-edge-test-container-%d", os.Getpid())
	for place, setUp := range map[string]string{
		"machine": `"$@"`,
		"container": `mkdir "/sys/fs/cgroup/$NAME"; echo $$ > "/sys/fs/cgroup/$NAME/cgroup.procs"
			unshare --cgroup --mount sh -euc 'umount /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; "$@"' sh "$@" && rc=0 || rc=$?
			echo $$ > /sys/fs/cgroup/cgroup.procs; rmdir "/sys/fs/cgroup/$NAME"; exit $rc`,
	} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			const alone = `mount --make-rprivate /; umount --recursive --lazy /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; `
			cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-euc", alone+setUp, "sh",
				os.Args[0], "-test.run=^(TestVM|TestControllersAreHandedDown)$", "-test.parallel=1", "-test.v")
			cmd.Env = append(os.Environ(), onV2+"="+place, "NAME="+name)
			out, err := cmd.CombinedOutput()
			if err != nil || strings.Count(string(out), "--- PASS") < 2 {
				t.Errorf("with cgroup v2 alone: %v\n%s", err, out)
			}
		})
	}
}

// TestControllersAreHandedDown checks that a cgroup and its child have every controller of the
// root. In a container it also checks that the processes are back in the root once the cgroups are
// removed.
func TestControllersAreHandedDown(t *testing.T) {
	t.Parallel()
	place := os.Getenv(onV2)
	if place == "" {
		t.Skip("TestCgroupV2 runs this where it belongs")
	}
	read := func(file string) string {
		text, err := os.ReadFile(filepath.Join(cgroupRoot, file))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	if list := hierarchies(); len(list) != 1 || !list[0].v2 || list[0].dir != cgroupRoot {
		t.Fatalf("the hierarchies are %+v, want one of v2", list)
	}
	available := read("cgroup.controllers")
	sleep := exec.CommandContext(t.Context(), "sleep", "60")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	parent := fmt.Sprintf("grpc-edge-test-parent-%d", os.Getpid())
	child := parent + "/node"
	if err := Cgroup(child).Add(sleep.Process.Pid); err != nil {
		t.Fatal(err)
	}
	for _, group := range []string{parent, child} {
		if got := read(group + "/cgroup.controllers"); got != available {
			t.Errorf("the controllers of %s are %q, want %q", group, got, available)
		}
	}
	if got, want := read(child+"/cgroup.procs"), fmt.Sprint(sleep.Process.Pid); got != want {
		t.Errorf("in the cgroup are the processes %q, want %s", got, want)
	}
	if err := sleep.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = sleep.Wait()
	if err := Cgroup(parent).Remove(); err != nil {
		t.Fatal(err)
	}
	if place != "container" {
		return
	}
	// The other test may still have a cgroup, for which the processes stay out of the root.
	for deadline := time.Now().Add(patience); read("cgroup.procs") == ""; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the container's processes were not moved back to its root")
		}
		if err := (Cgroup(parent)).Remove(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(cgroupRoot, others)); err == nil {
		t.Errorf("%s is left", others)
	}
}
