package gcp

// bucketMemberRule grants access to a Cloud Storage bucket. Each project has one bucket, for the
// state of Pulumi. Like keys, it exists without being created: a stack does not create it
// itself.
var bucketMemberRule = &rule{
	kind: KindBucketMember, name: "projects/{project}/buckets/{bucket}/iam/{role}/{member}",
	permissions: binding("storage.buckets", onObject),
	noun:        "IAM binding", idempotent: true, check: checkMember, admit: admitBucketMember,
}

// stateBucket is the suffix of a bucket's name after the ID of the project.
const stateBucket = "-pulumi-state"

func admitBucketMember(t *change) error {
	if bucket := t.new.Config.str("bucket"); bucket != t.new.project()+stateBucket {
		return &Error{Code: 404, Reason: "notFound", Message: "The specified bucket does not exist: emulated is " +
			t.new.project() + stateBucket + ", and not " + bucket + "."}
	}
	return admitMember(t)
}
