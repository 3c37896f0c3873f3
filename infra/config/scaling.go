package config

// Replicas describes the number of pods of a workload.
type Replicas struct {
	// Least is the number of pods, or the minimum if Most is set.
	Least int
	// Most is the maximum number of pods under load; 0 for always Least.
	Most int
	// AtMillicores is the average CPU time of a pod, in thousandths of a core, above which
	// pods are added.
	AtMillicores int
}

// Scaled reports whether Kubernetes chooses the number of pods.
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
