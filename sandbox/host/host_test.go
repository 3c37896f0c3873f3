package host

import (
	"errors"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	good := Facts{Arch: "amd64", Memory: 16 << 30, Disk: 100 << 30}
	tests := map[string]struct {
		change func(*Facts)
		build  bool
		want   string // part of the message; empty means fine
	}{
		"good machine":      {func(*Facts) {}, true, ""},
		"not root":          {func(f *Facts) { f.UID = 1000 }, false, "run it with `sudo env"},
		"not privileged":    {func(f *Facts) { f.Namespaces = errors.New("operation not permitted") }, false, "--privileged"},
		"other processor":   {func(f *Facts) { f.Arch = "arm64" }, false, "x86-64 only, and this is arm64"},
		"no python":         {func(f *Facts) { f.Commands = []string{"python3"} }, false, "apt-get install python3"},
		"too little memory": {func(f *Facts) { f.Memory = 3 << 30 }, false, "3.0 GiB of memory is available and 5.0 GiB is needed"},
		"enough to run":     {func(f *Facts) { f.Memory = 5 << 30 }, false, ""},
		"too little to build": {func(f *Facts) { f.Memory = 5 << 30 }, true,
			"5.0 GiB of memory is available and 10.0 GiB is needed for the first build"},
		"disk full":             {func(f *Facts) { f.Disk = 1 << 30 }, false, "1.0 GiB of disk is free and 2.0 GiB is needed"},
		"pods would be evicted": {func(f *Facts) { f.Disk, f.DiskSize = 4<<30, 250<<30 }, false, "4.0 GiB of disk is free and 4.5 GiB is needed"},
		"in a container":        {func(f *Facts) { f.RootFS = "overlayfs" }, false, "to a volume"},
		"old kernel":            {func(f *Facts) { f.Missing = []string{"seccomp: use another"} }, false, "the kernel lacks seccomp: use another"},
		"no hosts file":         {func(f *Facts) { f.Hosts = errors.New("stat /etc/hosts: no such file or directory") }, false, "touch /etc/hosts"},
		"address taken":         {func(f *Facts) { f.Network = errors.New("198.51.100.0/27 is routed already") }, false, "routed already"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := good
			test.change(&f)
			err := f.Check(test.build, test.build)
			if test.want == "" {
				if err != nil {
					t.Errorf("got %v, want none", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestCheckOfTheProgram has every tool built, and only the Pulumi program left to compile.
func TestCheckOfTheProgram(t *testing.T) {
	t.Parallel()
	f := Facts{Arch: "amd64", Memory: MinBuildMemory, Disk: MinRunDisk}
	if err := f.Check(false, true); err != nil {
		t.Errorf("got %v, want none", err)
	}
	f.Memory--
	if err := f.Check(false, true); err == nil {
		t.Error("the program needs no more memory than a running sandbox")
	}
}

func TestCheckTellsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	err := Facts{UID: 1, Arch: "arm64", Commands: []string{"go"}}.Check(true, true)
	if n := len(strings.Split(err.Error(), "\n")); n != 5 {
		t.Errorf("got %d lines, want 5 (root, processor, go, memory, disk):\n%v", n, err)
	}
}
