package gcp

// bucketMemberRule grants access to a Cloud Storage bucket. Buckets are there without
// being created, as keys are: those with the state of Pulumi, which a stack does not
// make itself, one for each project.
var bucketMemberRule = &rule{
	noun: "IAM binding", idempotent: true, check: checkMember, admit: admitBucketMember, build: nothing, raze: nothing,
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
