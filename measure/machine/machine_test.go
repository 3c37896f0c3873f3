package machine

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestDivide(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ cpus, proxy, load string }{
		{"0", "0", "0"},
		{"0 1", "1", "0"},
		{"2 5 6", "6", "2,5"},
		{"0 1 2 3", "3", "0,1,2"},
		{"0 1 2 3 4 5 6 7", "6,7", "0,1,2,3,4,5"},
		{"0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19", "16,17,18,19", "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"},
	} {
		var cpus CPUs
		for field := range strings.FieldsSeq(test.cpus) {
			var cpu int
			if _, err := fmt.Sscan(field, &cpu); err != nil {
				t.Fatal(err)
			}
			cpus = append(cpus, cpu)
		}
		if proxy, load := Divide(cpus); proxy.String() != test.proxy || load.String() != test.load {
			t.Errorf("Divide(%s) = %s and %s, want %s and %s", test.cpus, proxy, load, test.proxy, test.load)
		}
	}
}

func TestStartOn(t *testing.T) {
	t.Parallel()
	before, err := Allowed()
	if err != nil {
		t.Fatal(err)
	}
	cpus := before[len(before)-1:]
	var out strings.Builder
	cmd := exec.Command("sh", "-c", "grep Cpus_allowed_list: /proc/self/status")
	cmd.Stdout = &out
	if err := StartOn(cpus, cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(strings.TrimPrefix(out.String(), "Cpus_allowed_list:")); got != cpus.String() {
		t.Errorf("the grandchild runs on CPU %s, want %s", got, cpus)
	}
	if after, err := Allowed(); err != nil || after.String() != before.String() {
		t.Errorf("this process runs on CPU %s afterwards (%v), want %s", after, err, before)
	}
}

// TestTree starts a child that uses a little CPU and then starts a grandchild that waits.
func TestTree(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; sleep 60 & echo done; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tree := Tree{Root: Process(cmd.Process.Pid)}
	if _, err := out.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	children, err := tree.Processes()
	if err != nil || len(children) != 2 || children[0] != tree.Root || children[1].Parent() != tree.Root {
		t.Errorf("the tree of a shell and sleep is %v, %v, want two processes", children, err)
	}
	if used, err := tree.CPUTime(); err != nil || used < 20*time.Millisecond {
		t.Errorf("CPUTime() = %v, %v, want what counting to 300,000 takes", used, err)
	}
	if peak, err := tree.PeakMemory(); err != nil || peak < 100<<10 {
		t.Errorf("PeakMemory() = %d, %v, want 100 KiB at least", peak, err)
	}
	for _, pid := range children {
		if err := exec.Command("kill", fmt.Sprint(pid)).Run(); err != nil {
			t.Error(err)
		}
	}
	_ = cmd.Wait() // it was killed
	if _, err := tree.CPUTime(); err == nil {
		t.Error("CPUTime() of a process that has ended is no error")
	}
}

func TestQuiet(t *testing.T) {
	t.Parallel()
	for loadavg, want := range map[string]bool{"0.00 1.00 2.00 1/2 3": true, "0.50 0 0 1/2 3": true, "0.51 0 0 1/2 3": false, "38.02 0 0 1/2 3": false, "": false} {
		if err := quiet(loadavg); (err == nil) != want {
			t.Errorf("with a load of %q: %v", loadavg, err)
		}
	}
}
