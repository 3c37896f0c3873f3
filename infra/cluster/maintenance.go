package cluster

import (
	"time"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/container"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/config"
)

func maintenancePolicy(m config.Maintenance) container.ClusterMaintenancePolicyArgs {
	policy := container.ClusterMaintenancePolicyArgs{
		RecurringWindow: container.ClusterMaintenancePolicyRecurringWindowArgs{
			StartTime: timestamp(m.Start), EndTime: timestamp(m.End), Recurrence: pulumi.String(m.Recurrence),
		},
	}
	var exclusions container.ClusterMaintenancePolicyMaintenanceExclusionArray
	for _, e := range m.Exclusions {
		exclusions = append(exclusions, container.ClusterMaintenancePolicyMaintenanceExclusionArgs{
			ExclusionName: pulumi.String(e.Name), StartTime: timestamp(e.Start), EndTime: timestamp(e.End),
			ExclusionOptions: container.ClusterMaintenancePolicyMaintenanceExclusionExclusionOptionsArgs{Scope: pulumi.String(e.Scope)},
		})
	}
	if exclusions != nil {
		policy.MaintenanceExclusions = exclusions
	}
	return policy
}

// timestamp returns a time as the API formats it. Any other spelling of the same time would
// be a permanent diff.
func timestamp(t time.Time) pulumi.String { return pulumi.String(t.UTC().Format(time.RFC3339)) }
