package gcp

import "strings"

// Quota limits the objects of a kind that a project may have: in all, or in each region or
// location. The numbers apply to a new project; Google raises them on request ("Allocation
// quotas", Compute Engine; "Quotas and limits" of the other services).
type Quota struct {
	Metric string
	Limit  int
	Within string // a collection of the name, "" for the whole project
}

// withinQuota refuses the object that would be one too many. c.mu must be held.
func (t *Change) withinQuota(q Quota) error {
	prefix, where := "projects/"+Segment(t.New.Name, "projects")+"/", "globally"
	if q.Within != "" {
		place := Segment(t.New.Name, q.Within)
		prefix += q.Within + "/" + place + "/"
		where = "in " + strings.TrimSuffix(q.Within, "s") + " " + place
	}
	if len(t.All(t.New.Kind, prefix)) >= q.Limit {
		return quotaExceeded(q.Metric, q.Limit, where)
	}
	return nil
}
