package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"example.com/grpc-edge/measure/machine"
)

// memoryShare is the percentage of its memory limit that a container may use. Envoy
// refuses calls with UNAVAILABLE at 76 (envoy/overload.go).
const memoryShare = 75

// usage reads what the containers of an app use. It covers the containers that ran when it
// was created.
type usage struct {
	app   string
	limit int64 // of memory, MiB
	first []process
	most  int64 // of memory, MiB, that one has had
}

// reading holds the highest usage of one container of an app.
type reading struct {
	memory      int64 // KiB
	descriptors int
}

func (s *Sandbox) usages(ctx context.Context, apps ...string) (list []*usage, err error) {
	for _, app := range apps {
		text, err := s.kubectl(ctx, "get", "deployment", app, "--output",
			fmt.Sprintf(`jsonpath={.spec.template.spec.initContainers[?(@.name==%[1]q)].resources.limits.memory}{.spec.template.spec.containers[?(@.name==%[1]q)].resources.limits.memory}`, app))
		if err != nil {
			return nil, err
		}
		u := &usage{app: app}
		if u.limit, err = mebibytes(text); err != nil {
			return nil, fmt.Errorf("reading the memory limit of %s: %w", app, err)
		}
		pods, err := s.pods(ctx, app)
		if err != nil {
			return nil, err
		}
		for _, p := range pods {
			found, err := s.container(p, app)
			if err != nil {
				return nil, err
			}
			u.first = append(u.first, found[0])
		}
		list = append(list, u)
	}
	return list, nil
}

// read reads the usage of all containers.
func (u *usage) read() (r reading, err error) {
	for _, p := range u.first {
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid))
		if err != nil {
			return reading{}, fmt.Errorf("looking at a container of %s: %w", u.app, err)
		}
		r = reading{max(r.memory, machine.Process(p.pid).Resident()>>10), max(r.descriptors, len(open))}
	}
	u.most = max(u.most, r.memory>>10)
	return r, nil
}

// within notes the highest memory so far, and checks it against the limit.
func (s *Sandbox) within(list []*usage) error {
	var errs []error
	for _, u := range list {
		s.note("memory of the fullest container of %s: %d MiB of %d", u.app, u.most, u.limit)
		if u.most > u.limit*memoryShare/100 {
			errs = append(errs, fmt.Errorf("a container of %s has %d MiB in memory, of %d", u.app, u.most, u.limit))
		}
	}
	return errors.Join(errs...)
}

// mebibytes parses a quantity of Kubernetes in Mi or Gi.
func mebibytes(quantity string) (int64, error) {
	unit := int64(1)
	number, gibi := strings.CutSuffix(quantity, "Gi")
	if gibi {
		unit = 1 << 10
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(number, "Mi"), 10, 64)
	return n * unit, err
}
