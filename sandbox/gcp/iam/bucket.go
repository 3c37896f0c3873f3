package iam

import "example.com/grpc-edge/sandbox/gcp"

// bucketMemberResource grants access to a Cloud Storage bucket. Each project has one bucket, for the
// state of Pulumi. Like keys, it exists without being created: a stack does not create it
// itself.
var bucketMemberResource = &gcp.Resource{
	Kind: KindBucketMember, Noun: "IAM binding", Name: "projects/{project}/buckets/{bucket}/iam/{role}/{member}",
	Permissions: gcp.Binding("storage.buckets", gcp.OnObject),
	Idempotent:  true, Check: CheckMember, Admit: admitBucketMember,
}

// stateBucket is the suffix of a bucket's name after the ID of the project.
const stateBucket = "-pulumi-state"

func admitBucketMember(t *gcp.Change) error {
	if bucket := t.New.Config.Text("bucket"); bucket != t.New.Project()+stateBucket {
		return &gcp.Error{Code: 404, Reason: "notFound", Message: "The specified bucket does not exist: the sandbox emulates " +
			t.New.Project() + stateBucket + ", and not " + bucket + "."}
	}
	return AdmitMember(t)
}
