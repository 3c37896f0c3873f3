// Package encryption lets Google's services use the stack's Cloud KMS key. Each service
// encrypts as its service agent, an account that Google creates in the project.
package encryption

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/kms"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/projects"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// identities lists the services whose agent may not exist before their first use, so it is
// created (Service Usage, generateServiceIdentity).
var identities = []string{"artifactregistry.googleapis.com", "container.googleapis.com"}

// diskAgent is the domain of the agent that encrypts the nodes' disks. The agent exists
// once Compute Engine is enabled (IAM, "Service agents").
const diskAgent = "compute-system.iam.gserviceaccount.com"

// Encryption grants the use of the key.
type Encryption struct {
	pulumi.ResourceState

	// Users lists the grants that let each service use the key. Encrypted resources are
	// created after them and deleted before them.
	Users []pulumi.Resource
}

// Args describe the key.
type Args struct {
	Project string
	// Key is projects/P/locations/L/keyRings/R/cryptoKeys/K. It must exist already: a key
	// outlives what it encrypts, and key rings can never be deleted.
	Key string
}

// New grants the use of this key only.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Encryption, error) {
	e := &Encryption{}
	if err := ctx.RegisterComponentResource("grpc-edge:encryption:Encryption", name, e, opts...); err != nil {
		return nil, fmt.Errorf("registering encryption %q: %w", name, err)
	}
	var email pulumi.StringOutput
	for _, service := range identities {
		short, _, _ := strings.Cut(service, ".")
		agent, err := projects.NewServiceIdentity(ctx, name+"-"+short, &projects.ServiceIdentityArgs{Service: pulumi.String(service)}, pulumi.Parent(e))
		if err != nil {
			return nil, fmt.Errorf("asking for the service agent of %s: %w", service, err)
		}
		if err := e.grant(ctx, name+"-"+short, args.Key, agent.Email); err != nil {
			return nil, err
		}
		email = agent.Email
	}
	// All agents of a project are named service-NUMBER. Resource Manager also has the
	// number, but may not be enabled when a program asks it.
	disks := email.ApplyT(func(email string) string {
		account, _, _ := strings.Cut(email, "@")
		return account + "@" + diskAgent
	}).(pulumi.StringOutput)
	if err := e.grant(ctx, name+"-compute", args.Key, disks); err != nil {
		return nil, err
	}
	return e, ctx.RegisterResourceOutputs(e, pulumi.Map{})
}

// grant lets an agent use the key. Another stack of the project may use the same key with the same
// agents, and IAM has one grant for both: it stays when this stack goes, and lets the
// agents read only what their services encrypted.
func (e *Encryption) grant(ctx *pulumi.Context, name, key string, agent pulumi.StringOutput) error {
	user, err := kms.NewCryptoKeyIAMMember(ctx, name, &kms.CryptoKeyIAMMemberArgs{
		CryptoKeyId: pulumi.String(key),
		Role:        pulumi.String("roles/cloudkms.cryptoKeyEncrypterDecrypter"),
		Member:      pulumi.Sprintf("serviceAccount:%s", agent),
	}, pulumi.Parent(e), pulumi.RetainOnDelete(true))
	if err != nil {
		return fmt.Errorf("letting %q use the key: %w", name, err)
	}
	e.Users = append(e.Users, user)
	return nil
}
