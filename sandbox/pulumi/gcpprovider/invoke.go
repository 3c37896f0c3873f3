package gcpprovider

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/dns"
	"example.com/grpc-edge/sandbox/gcp/kms"
	"example.com/grpc-edge/sandbox/gcp/secretmanager"
)

// Invoke implements pulumirpc.ResourceProviderServer.
func (p *provider) Invoke(ctx context.Context, r *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	args, err := decode(r.Args)
	if err != nil {
		return nil, err
	}
	s := p.sessions.find(ctx)
	var result resource.PropertyMap
	switch r.Tok {
	case "gcp:organizations/getClientConfig:getClientConfig":
		result, err = p.clientConfig(s)
	case "gcp:organizations/getProject:getProject":
		result, err = p.project(ctx, s, args)
	case "gcp:kms/getKMSCryptoKeyVersion:getKMSCryptoKeyVersion":
		result, err = p.keyVersion(ctx, s, args)
	case "gcp:dns/getManagedZone:getManagedZone":
		result, err = p.managedZone(ctx, s, args)
	case "gcp:secretmanager/getSecretVersionAccess:getSecretVersionAccess":
		result, err = p.secretAccess(ctx, s, args)
	default:
		err = status.Errorf(codes.Unimplemented, "the sandbox does not emulate the function %s; it emulates "+
			"gcp:organizations/getClientConfig:getClientConfig, gcp:organizations/getProject:getProject, "+
			"gcp:kms/getKMSCryptoKeyVersion:getKMSCryptoKeyVersion, gcp:dns/getManagedZone:getManagedZone and "+
			"gcp:secretmanager/getSecretVersionAccess:getSecretVersionAccess", r.Tok)
	}
	if err != nil {
		return nil, err
	}
	values, err := encode(result)
	return &pulumirpc.InvokeResponse{Return: values}, err
}

// clientConfig returns a program's place, and an access token of the impersonated account or of
// the project's deployer. It calls no API (resourcemanager/data_source_google_client_config.go).
func (p *provider) clientConfig(s *session) (resource.PropertyMap, error) {
	if s.place.Project == "" {
		return nil, errNoProject
	}
	account := s.account
	if account == "" {
		account = gcp.Deployer(s.place.Project)
	}
	return resource.PropertyMap{
		"id":            resource.NewProperty("projects/" + s.place.Project + "/regions/" + s.place.Region + "/zones/" + s.place.Zone),
		"accessToken":   resource.MakeSecret(resource.NewProperty(p.cloud.Token(account))),
		"project":       resource.NewProperty(s.place.Project),
		"region":        resource.NewProperty(s.place.Region),
		"zone":          resource.NewProperty(s.place.Zone),
		"defaultLabels": resource.NewProperty(resource.NewPropertyMapFromMap(s.defaultLabels)),
	}, nil
}

var errNoProject = status.Error(codes.InvalidArgument, "project: required field is not set. Set `gcp:project` in the stack's config")

// project describes a project. All projects exist: they are empty until something is put in them.
// The client also reads how it is billed (resourcemanager/resource_google_project.go:
// resourceGoogleProjectRead), for which the same permission is enough ("projects.getBillingInfo",
// Cloud Billing API).
func (p *provider) project(ctx context.Context, s *session, args resource.PropertyMap) (resource.PropertyMap, error) {
	id, _ := plainValue(args["projectId"]).(string)
	if id == "" {
		id = s.place.Project
	}
	if id == "" {
		return nil, errNoProject
	}
	if err := p.cloud.Enabled("cloudresourcemanager.googleapis.com", id); err != nil {
		return nil, err
	}
	if err := p.cloud.Permit(gcp.As(ctx, s.account), "resourcemanager.projects.get", "projects/"+id); err != nil {
		return nil, err
	}
	empty := resource.NewProperty(resource.PropertyMap{})
	return resource.PropertyMap{
		"id": resource.NewProperty("projects/" + id), "projectId": resource.NewProperty(id),
		"name": resource.NewProperty(id), "number": resource.NewProperty(gcp.ProjectNumber(id)),
		"autoCreateNetwork": resource.NewProperty(false), "billingAccount": resource.NewProperty(""),
		"deletionPolicy": resource.NewProperty("PREVENT"), "folderId": resource.NewProperty(""),
		"orgId": resource.NewProperty(""), "labels": empty, "pulumiLabels": empty, "effectiveLabels": empty, "tags": empty,
	}, nil
}

// keyVersion describes a version of a Cloud KMS key for signing; the first one if the
// program names none (kms/data_source_google_kms_crypto_key_version.go).
func (p *provider) keyVersion(ctx context.Context, s *session, args resource.PropertyMap) (resource.PropertyMap, error) {
	key, _ := plainValue(args["cryptoKey"]).(string)
	version, given := plainValue(args["version"]).(float64)
	if !given {
		version = 1
	}
	name := fmt.Sprintf("%s/cryptoKeyVersions/%d", key, int(version))
	public, err := kms.Keys{Cloud: p.cloud}.SigningKey(gcp.As(ctx, s.account), name)
	if err != nil {
		return nil, err
	}
	const algorithm = "EC_SIGN_P256_SHA256"
	return resource.PropertyMap{
		"id": resource.NewProperty("//cloudkms.googleapis.com/v1/" + name), "name": resource.NewProperty(name),
		"cryptoKey": resource.NewProperty(key), "version": resource.NewProperty(version),
		"algorithm": resource.NewProperty(algorithm), "protectionLevel": resource.NewProperty("SOFTWARE"), "state": resource.NewProperty("ENABLED"),
		"publicKeys": resource.NewProperty([]resource.PropertyValue{resource.NewProperty(resource.PropertyMap{
			"pem": resource.NewProperty(public), "algorithm": resource.NewProperty(algorithm),
		})}),
	}, nil
}

// managedZone describes a zone of Cloud DNS (dns/data_source_dns_managed_zone.go).
func (p *provider) managedZone(ctx context.Context, s *session, args resource.PropertyMap) (resource.PropertyMap, error) {
	name, _ := plainValue(args["name"]).(string)
	project, _ := plainValue(args["project"]).(string)
	if project == "" {
		project = s.place.Project
	}
	id := "projects/" + project + "/managedZones/" + name
	domain, err := dns.ManagedZone(gcp.As(ctx, s.account), p.cloud, s.place.Project, id)
	if err != nil {
		return nil, err
	}
	return resource.PropertyMap{
		"id": resource.NewProperty(id), "name": resource.NewProperty(name), "project": resource.NewProperty(project),
		"dnsName": resource.NewProperty(domain), "visibility": resource.NewProperty("public"), "description": resource.NewProperty(""),
		"managedZoneId": resource.NewProperty(gcp.ProjectNumber(id)),
		"nameServers":   resource.NewProperty([]resource.PropertyValue{resource.NewProperty("ns-cloud-a1.googledomains.com.")}),
	}, nil
}

// secretAccess returns the payload of a version of a secret; of the newest if the program
// names none (secretmanager/data_source_secret_manager_secret_version_access.go).
func (p *provider) secretAccess(ctx context.Context, s *session, args resource.PropertyMap) (resource.PropertyMap, error) {
	text := func(key resource.PropertyKey) string { v, _ := plainValue(args[key]).(string); return v }
	project, secret, version := text("project"), text("secret"), text("version")
	if project == "" {
		project = s.place.Project
	}
	if version == "" {
		version = "latest"
	}
	if !strings.HasPrefix(secret, "projects/") { // its ID, and not its full name
		secret = "projects/" + project + "/secrets/" + secret
	}
	v, err := secretmanager.Secrets{Cloud: p.cloud}.AccessSecret(gcp.As(ctx, s.account), secret+"/versions/"+version)
	if err != nil {
		return nil, err
	}
	data := string(v.Payload)
	if asked, _ := plainValue(args["isSecretDataBase64"]).(bool); asked {
		data = base64.StdEncoding.EncodeToString(v.Payload)
	}
	return resource.PropertyMap{
		"id": resource.NewProperty(v.Name), "name": resource.NewProperty(v.Name), "project": resource.NewProperty(project),
		"secret": resource.NewProperty(secret), "version": resource.NewProperty(v.Name[strings.LastIndex(v.Name, "/")+1:]),
		"secretData": resource.MakeSecret(resource.NewProperty(data)),
	}, nil
}
