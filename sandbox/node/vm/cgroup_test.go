package vm

import "testing"

func TestControllers(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"rw,relatime,cpu,cpuacct":                            "cpu,cpuacct",
		"rw,nosuid,nodev,noexec,relatime,xattr,name=systemd": "name=systemd",
		"rw,memory": "memory",
		"rw":        "",
	}
	for options, want := range tests {
		if got := controllers(options); got != want {
			t.Errorf("controllers(%q) = %q, want %q", options, got, want)
		}
	}
}

func TestRemoveCgroupThatIsNotThere(t *testing.T) {
	t.Parallel()
	if err := Cgroup("grpc-edge-test-nothing").Remove(); err != nil {
		t.Error(err)
	}
}
