// A program with a network, the account of its nodes, and a component like the one by
// which CI delivers a stack: an account that may destroy what is not in the component.
package main

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

func main() { pulumi.Run(deploy) }

type custom struct{ pulumi.CustomResourceState }

type component struct{ pulumi.ResourceState }

const project = "test-project"

func deploy(ctx *pulumi.Context) error {
	var apis []pulumi.Resource
	for _, name := range []string{"cloudresourcemanager", "compute", "iam"} {
		api := &custom{}
		if err := ctx.RegisterResource("gcp:projects/service:Service", name, pulumi.Map{
			"service": pulumi.String(name + ".googleapis.com"), "disableOnDestroy": pulumi.Bool(false),
		}, api); err != nil {
			return err
		}
		apis = append(apis, api)
	}
	ready := pulumi.DependsOn(apis)
	nodes, delivery := &component{}, &component{}
	if err := ctx.RegisterComponentResource("grpc-edge:cluster:NodeAccount", "nodes", nodes); err != nil {
		return err
	}
	if err := ctx.RegisterComponentResource("grpc-edge:delivery:Delivery", "delivery", delivery); err != nil {
		return err
	}
	account, destroyer, role := &custom{}, &custom{}, &custom{}
	const email = "destroyer-test@" + project + ".iam.gserviceaccount.com"
	for _, r := range []struct {
		token, name string
		inputs      pulumi.Map
		into        *custom
		parent      pulumi.Resource
		after       []pulumi.Resource
	}{
		{"gcp:compute/network:Network", "network", pulumi.Map{"autoCreateSubnetworks": pulumi.Bool(false)}, &custom{}, nil, nil},
		{"gcp:serviceaccount/account:Account", "nodes", pulumi.Map{"accountId": pulumi.String("nodes-account")}, account, nodes, nil},
		{"gcp:serviceaccount/account:Account", "destroyer", pulumi.Map{"accountId": pulumi.String("destroyer-test")}, destroyer, delivery, nil},
		{"gcp:projects/iAMCustomRole:IAMCustomRole", "destroy", pulumi.Map{
			"roleId": pulumi.String("destroy"), "title": pulumi.String("Destroy"),
			"permissions": pulumi.ToStringArray([]string{"compute.networks.delete", "compute.globalOperations.get"}),
		}, role, delivery, nil},
		{"gcp:projects/iAMMember:IAMMember", "destroy", pulumi.Map{
			"project": pulumi.String(project), "role": pulumi.String("projects/" + project + "/roles/destroy"), "member": pulumi.String("serviceAccount:" + email),
		}, &custom{}, delivery, []pulumi.Resource{destroyer, role}},
		{"gcp:serviceaccount/iAMMember:IAMMember", "nodes", pulumi.Map{
			"role": pulumi.String("roles/iam.serviceAccountUser"), "member": pulumi.String("serviceAccount:" + email),
		}, &custom{}, delivery, []pulumi.Resource{destroyer, account}},
		{"gcp:iam/workloadIdentityPool:WorkloadIdentityPool", "pool", pulumi.Map{"workloadIdentityPoolId": pulumi.String("ci-pool")}, &custom{}, delivery, nil},
	} {
		options := []pulumi.ResourceOption{ready, pulumi.DependsOn(r.after)}
		if r.parent != nil {
			options = append(options, pulumi.Parent(r.parent))
		}
		if r.token == "gcp:serviceaccount/iAMMember:IAMMember" {
			r.inputs["serviceAccountId"] = account.ID()
		}
		if err := ctx.RegisterResource(r.token, r.name, r.inputs, r.into, options...); err != nil {
			return err
		}
	}
	return nil
}
