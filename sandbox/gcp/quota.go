package gcp

import "strings"

// quota limits the objects of a kind that a project may have: in all, or in each region or
// location. The numbers apply to a new project; Google raises them on request ("Allocation
// quotas", Compute Engine; "Quotas and limits" of the other services).
type quota struct {
	metric string
	limit  int
	within string // a collection of the name, "" for the whole project
}

// withinQuota refuses the object that would be one too many. c.mu must be held.
func (t *change) withinQuota(q quota) error {
	prefix, where := "projects/"+segment(t.new.Name, "projects")+"/", "globally"
	if q.within != "" {
		place := segment(t.new.Name, q.within)
		prefix += q.within + "/" + place + "/"
		where = "in " + strings.TrimSuffix(q.within, "s") + " " + place
	}
	if len(t.all(t.new.Kind, prefix)) >= q.limit {
		return quotaExceeded(q.metric, q.limit, where)
	}
	return nil
}
