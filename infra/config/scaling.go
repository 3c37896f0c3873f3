package config

// Replicas is how many pods a workload has.
type Replicas struct {
	// Least is the number, or with Most the least.
	Least int
	// Most pods run when there is much to do; 0 for always Least.
	Most int
	// AtMillicores is the CPU time that a pod takes on average above which there are
	// more of them, in thousandths of a core.
	AtMillicores int
}

// Scaled says whether Kubernetes chooses the number.
func (r Replicas) Scaled() bool { return r.Most > 0 }

func (r *reader) replicas(key string) Replicas {
	n := Replicas{
		Least:        r.integer(key, 1, 100),
		Most:         r.integer(key+"Max", 0, 1000),
		AtMillicores: r.integer("grpc-edge:scaleAtCpuMillicores", 10, 64_000),
	}
	if n.Most != 0 && n.Most <= n.Least && r.problems[key] == "" {
		r.report(key+"Max", "is %d; it must be 0, for always %d pods, or more than %s, %d", n.Most, n.Least, key, n.Least)
	}
	return n
}
