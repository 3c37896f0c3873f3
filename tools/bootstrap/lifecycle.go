package main

import (
	"fmt"
	"strings"

	"google.golang.org/api/storage/v1"
)

func rules(b *storage.Bucket) []*storage.BucketLifecycleRule {
	if b.Lifecycle == nil {
		return nil
	}
	return b.Lifecycle.Rule
}

// wantedRules are the bucket's own without those that delete a state too early, and
// with one that deletes old versions, should none of them do it.
func wantedRules(b *storage.Bucket) []*storage.BucketLifecycleRule {
	var kept []*storage.BucketLifecycleRule
	limited := false
	for _, rule := range rules(b) {
		if deletes(rule) && !keepsLongEnough(rule) {
			continue
		}
		limited = limited || deletes(rule)
		kept = append(kept, rule)
	}
	if !limited {
		kept = append(kept, &storage.BucketLifecycleRule{
			Action:    &storage.BucketLifecycleRuleAction{Type: "Delete"},
			Condition: &storage.BucketLifecycleRuleCondition{DaysSinceNoncurrentTime: keepDays},
		})
	}
	return kept
}

func deletes(rule *storage.BucketLifecycleRule) bool {
	return rule.Action != nil && rule.Action.Type == "Delete"
}

// keepsLongEnough tells of a rule that deletes whether it spares what is current and
// what was so in the last days. All conditions of a rule must hold, so the others
// don't matter ("Object Lifecycle Management").
func keepsLongEnough(rule *storage.BucketLifecycleRule) bool {
	return rule.Condition != nil && rule.Condition.DaysSinceNoncurrentTime >= keepDays
}

// describe says what the rules delete too early.
func describe(rules []*storage.BucketLifecycleRule) string {
	var all []string
	for _, rule := range rules {
		if deletes(rule) && !keepsLongEnough(rule) {
			all = append(all, conditions(rule.Condition))
		}
	}
	if len(all) == 0 {
		return "keeps what was replaced forever"
	}
	return "deletes " + strings.Join(all, ", ")
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
