package main

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"google.golang.org/api/storage/v1"

	"example.com/grpc-edge/internal/deliverynames"
)

// bucketRole is a role that may create and change buckets.
const bucketRole = "roles/storage.admin"

// A state can be restored for this many days after a newer one replaced it.
//
// Pulumi writes the state's object, and a copy of the previous one, with each resource
// of an update. A limit on the number of newer versions would drop, within one update,
// the state from before it. So only age decides. A current state is never deleted, nor
// are the copies that Pulumi makes of the state after each update (.pulumi/history).
const (
	keepDays = 90
	// softDeleteDays is Cloud Storage's default ("Soft delete").
	softDeleteDays = 7
	day            = 24 * 60 * 60
)

// setting describes a property that the bucket must have.
type setting struct {
	name, wanted string
	// weak returns the bucket's value if it is weaker than the wanted one, and else "".
	weak func(*storage.Bucket) string
	// set sets the property in a request; found is the bucket as it is now.
	set func(request, found *storage.Bucket)
}

var settings = []setting{
	{
		name: "uniform bucket-level access", wanted: "on",
		weak: func(b *storage.Bucket) string {
			access := b.IamConfiguration.UniformBucketLevelAccess
			return unless(access != nil && access.Enabled, "off")
		},
		set: func(request, _ *storage.Bucket) {
			request.IamConfiguration.UniformBucketLevelAccess = &storage.BucketIamConfigurationUniformBucketLevelAccess{Enabled: true}
		},
	},
	{
		name: "public access prevention", wanted: "enforced",
		weak: func(b *storage.Bucket) string {
			return unless(b.IamConfiguration.PublicAccessPrevention == "enforced", b.IamConfiguration.PublicAccessPrevention)
		},
		set: func(request, _ *storage.Bucket) { request.IamConfiguration.PublicAccessPrevention = "enforced" },
	},
	{
		name: "versioning", wanted: "on",
		weak: func(b *storage.Bucket) string { return unless(b.Versioning != nil && b.Versioning.Enabled, "off") },
		set: func(request, _ *storage.Bucket) {
			request.Versioning = &storage.BucketVersioning{Enabled: true}
		},
	},
	{
		name: "soft delete", wanted: days(softDeleteDays * day),
		weak: func(b *storage.Bucket) string {
			if b.SoftDeletePolicy == nil {
				return "off"
			}
			return unless(b.SoftDeletePolicy.RetentionDurationSeconds >= softDeleteDays*day, days(b.SoftDeletePolicy.RetentionDurationSeconds))
		},
		set: func(request, _ *storage.Bucket) {
			request.SoftDeletePolicy = &storage.BucketSoftDeletePolicy{RetentionDurationSeconds: softDeleteDays * day}
		},
	},
	{
		name: "lifecycle", wanted: fmt.Sprintf("deletes only what was replaced, and plans, %d days ago", keepDays),
		weak: func(b *storage.Bucket) string {
			return unless(reflect.DeepEqual(wantedRules(b), rules(b)), describe(rules(b)))
		},
		set: func(request, found *storage.Bucket) {
			request.Lifecycle = &storage.BucketLifecycle{Rule: wantedRules(found)}
		},
	},
}

func unless(good bool, weak string) string {
	if good {
		return ""
	}
	if weak == "" {
		return "not set"
	}
	return weak
}

func days(seconds int64) string {
	if seconds == 0 {
		return "off"
	}
	return fmt.Sprintf("%d days", seconds/day)
}

// planBucket compares the bucket with its required state.
func (b *bootstrap) planBucket(ctx context.Context) ([]step, error) {
	name := deliverynames.Bucket(b.project)
	found, note, err := b.readBucket(ctx, name)
	if err != nil {
		return nil, err
	}
	if found == nil {
		return []step{{
			sign: "+", text: fmt.Sprintf("bucket %s in %s%s", name, b.region, listed()), note: note,
			do: func(ctx context.Context) error { return b.createBucket(ctx, name) },
		}}, nil
	}
	if number := fmt.Sprint(found.ProjectNumber); number != b.number {
		return nil, fmt.Errorf("the bucket %s belongs to the project with the number %s, and not to %s (%s): its owner could read and change the state that is kept there. Bucket names are global, and this one follows from the project's, so somebody may have taken it to get the state. Do not use the bucket; take a project with another ID", name, number, b.project, b.number)
	}
	if !strings.EqualFold(found.Location, b.region) {
		note = "it is not in " + b.region + ", and cannot be moved"
	}
	steps := []step{{sign: "=", text: fmt.Sprintf("bucket %s in %s", name, strings.ToLower(found.Location)), note: note}}
	for _, s := range settings {
		if weak := s.weak(found); weak != "" {
			steps = append(steps, step{
				sign: "~", text: fmt.Sprintf("bucket %s: %s: %s → %s", name, s.name, weak, s.wanted),
				do: func(ctx context.Context) error { return b.mendBucket(ctx, found, s) },
			})
		}
	}
	return steps, nil
}

func listed() string {
	var lines strings.Builder
	for _, s := range settings {
		fmt.Fprintf(&lines, "\n%s: %s", s.name, s.wanted)
	}
	return lines.String()
}

// readBucket returns nothing, and perhaps a note about that, if there is no bucket.
func (b *bootstrap) readBucket(ctx context.Context, name string) (found *storage.Bucket, note string, err error) {
	if b.isOff(storageAPI) {
		return nil, unseen, nil
	}
	err = b.call(ctx, "reading the bucket "+name, bucketRole, func() (err error) {
		found, err = b.buckets.Get(name).Context(ctx).Do()
		return err
	})
	switch {
	case answered(err, http.StatusNotFound):
		return nil, "", nil
	case answered(err, http.StatusForbidden) && !explained(err):
		// Creating it shows which: Google gives the same answer for a bucket of somebody
		// else and for one that the caller may not see.
		return nil, "you lack permission to see whether it exists", nil
	case err != nil:
		return nil, "", err
	}
	if found.IamConfiguration == nil {
		found.IamConfiguration = &storage.BucketIamConfiguration{}
	}
	return found, "", nil
}

func (b *bootstrap) createBucket(ctx context.Context, name string) error {
	request := &storage.Bucket{Name: name, Location: b.region, IamConfiguration: &storage.BucketIamConfiguration{}}
	for _, s := range settings {
		s.set(request, &storage.Bucket{})
	}
	err := b.call(ctx, "creating the bucket "+name, bucketRole, func() error {
		_, err := b.buckets.Insert(b.project, request).Context(ctx).Do()
		return err
	})
	if answered(err, http.StatusConflict) {
		return fmt.Errorf("%w\nIf `gcloud storage buckets list --project %s` does not show it, it is somebody else's, who could read and change the state that is kept there: do not use it; take a project with another ID. If it is shown, you need the role %s", err, b.project, bucketRole)
	}
	return err
}

func (b *bootstrap) mendBucket(ctx context.Context, found *storage.Bucket, s setting) error {
	request := &storage.Bucket{IamConfiguration: &storage.BucketIamConfiguration{}}
	s.set(request, found)
	return b.call(ctx, "changing the bucket "+found.Name, bucketRole, func() error {
		_, err := b.buckets.Patch(found.Name, request).Context(ctx).Do()
		return err
	})
}
