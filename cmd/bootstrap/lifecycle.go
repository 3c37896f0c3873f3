package main

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/api/storage/v1"
)

func rules(b *storage.Bucket) []*storage.BucketLifecycleRule {
	if b.Lifecycle == nil {
		return nil
	}
	return b.Lifecycle.Rule
}

// plansPrefix is the prefix of the objects that `make plan KEEP=` leaves for a later build
// (cmd/delivery).
const plansPrefix = "delivery/"

// wantedRules returns the bucket's own rules without those that delete a state too early.
// It adds rules that delete old versions and old plans if there are none.
func wantedRules(b *storage.Bucket) []*storage.BucketLifecycleRule {
	kept := slices.DeleteFunc(slices.Clone(rules(b)), func(r *storage.BucketLifecycleRule) bool { return deletes(r) && !keepsLongEnough(r) })
	if !slices.ContainsFunc(kept, limitsVersions) {
		kept = append(kept, deleteRule(&storage.BucketLifecycleRuleCondition{DaysSinceNoncurrentTime: keepDays}))
	}
	if !slices.ContainsFunc(kept, limitsPlans) {
		age := int64(keepDays)
		kept = append(kept, deleteRule(&storage.BucketLifecycleRuleCondition{Age: &age, MatchesPrefix: []string{plansPrefix}}))
	}
	return kept
}

func deleteRule(c *storage.BucketLifecycleRuleCondition) *storage.BucketLifecycleRule {
	return &storage.BucketLifecycleRule{Action: &storage.BucketLifecycleRuleAction{Type: "Delete"}, Condition: c}
}

func deletes(rule *storage.BucketLifecycleRule) bool {
	return rule.Action != nil && rule.Action.Type == "Delete"
}

// keepsLongEnough reports whether a deleting rule spares current versions and those that
// were current in the last keepDays, or applies to plans only. All conditions of a rule
// must hold, so its other conditions don't matter ("Object Lifecycle Management").
func keepsLongEnough(rule *storage.BucketLifecycleRule) bool {
	return rule.Condition != nil && rule.Condition.DaysSinceNoncurrentTime >= keepDays || limitsPlans(rule)
}

func limitsPlans(rule *storage.BucketLifecycleRule) bool {
	return deletes(rule) && rule.Condition != nil && len(rule.Condition.MatchesPrefix) > 0 &&
		!slices.ContainsFunc(rule.Condition.MatchesPrefix, func(p string) bool { return !strings.HasPrefix(p, plansPrefix) })
}

func limitsVersions(rule *storage.BucketLifecycleRule) bool {
	return deletes(rule) && !limitsPlans(rule)
}

// describe lists what the rules delete too early.
func describe(rules []*storage.BucketLifecycleRule) string {
	var all []string
	for _, rule := range rules {
		if deletes(rule) && !keepsLongEnough(rule) {
			all = append(all, conditions(rule.Condition))
		}
	}
	switch {
	case len(all) > 0:
		return "deletes " + strings.Join(all, ", ")
	case !slices.ContainsFunc(rules, limitsVersions):
		return "keeps what was replaced forever"
	}
	return "keeps plans forever"
}

func conditions(c *storage.BucketLifecycleRuleCondition) string {
	if c == nil {
		return "everything"
	}
	json, err := c.MarshalJSON()
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("where %s", json)
}
