package compute

import (
	"context"

	"example.com/grpc-edge/sandbox/gcp"
)

// ListRegions refuses a caller who may not list the regions of a project ("regions.list", Compute
// Engine API), see [gcp.As].
func ListRegions(ctx context.Context, c *gcp.Cloud, project string) error {
	if err := c.Permit(ctx, "compute.regions.list", "projects/"+project); err != nil {
		return err
	}
	return c.Enabled("compute.googleapis.com", project)
}
