package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"google.golang.org/api/googleapi"
	"google.golang.org/api/serviceusage/v1"
)

const (
	storageAPI = "storage.googleapis.com"
	kmsAPI     = "cloudkms.googleapis.com"
)

// apis lists the APIs that are needed before the stack's own component `project`
// enables the others. serviceusage is called first, and is on in a new project.
var apis = []string{
	"serviceusage.googleapis.com",         // enables the others
	"cloudresourcemanager.googleapis.com", // the gcp provider asks it for the project at its start
	storageAPI,                            // Pulumi's state
	kmsAPI,                                // encrypts the secrets in it
	"iam.googleapis.com",                  // accounts that deploy, and pools of workload identity
	"iamcredentials.googleapis.com",       // short-lived tokens of these accounts
	"sts.googleapis.com",                  // takes GitHub's token for Google's
}

// serviceRole is a role that may enable APIs.
const serviceRole = "roles/serviceusage.serviceUsageAdmin"

// readServices reads which of the APIs are off, and from the same answer the
// project's number.
func (c *cloud) readServices(ctx context.Context) (number string, off []string, err error) {
	parent := "projects/" + c.projectName
	var names []string
	for _, api := range apis {
		names = append(names, parent+"/services/"+api)
	}
	var found *serviceusage.BatchGetServicesResponse
	err = c.call(ctx, "reading the project "+c.projectName, serviceRole, func() (err error) {
		found, err = c.services.Services.BatchGet(parent).Names(names...).Context(ctx).Do()
		return err
	})
	if err != nil {
		return "", nil, err
	}
	for _, service := range found.Services {
		number = strings.TrimPrefix(service.Parent, "projects/")
		if service.State != "ENABLED" {
			off = append(off, service.Name[strings.LastIndex(service.Name, "/")+1:])
		}
	}
	if len(found.Services) != len(apis) || strings.Trim(number, "0123456789") != "" {
		return "", nil, fmt.Errorf("reading the project %s: Service Usage answers with %d of %d APIs, of the project %q", c.projectName, len(found.Services), len(apis), number)
	}
	return number, off, nil
}

// enable enables APIs, all or none of them, and waits until that is done.
func (c *cloud) enable(ctx context.Context, off []string) error {
	const doing = "enabling APIs"
	var op *serviceusage.Operation
	err := c.call(ctx, doing, serviceRole, func() (err error) {
		request := &serviceusage.BatchEnableServicesRequest{ServiceIds: off}
		op, err = c.services.Services.BatchEnable("projects/"+c.projectName, request).Context(ctx).Do()
		return err
	})
	for err == nil && !op.Done {
		if err = c.wait(ctx, 2*time.Second); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		err = c.call(ctx, doing, serviceRole, func() (err error) {
			op, err = c.services.Operations.Get(op.Name).Context(ctx).Do()
			return err
		})
	}
	if err != nil {
		return err
	}
	c.enabledNow = true
	if op.Error != nil {
		return c.failed(doing, op.Error)
	}
	return nil
}

// failed returns the error of an operation in the form of a failed call.
func (c *cloud) failed(doing string, status *serviceusage.Status) error {
	refused := &googleapi.Error{Code: http.StatusBadRequest, Message: status.Message}
	if status.Code == 7 { // PERMISSION_DENIED of google.rpc.Code
		refused.Code = http.StatusForbidden
	}
	for _, raw := range status.Details {
		var detail map[string]any
		if err := json.Unmarshal(raw, &detail); err != nil {
			return errors.Join(fmt.Errorf("%s: %s", doing, status.Message), err)
		}
		refused.Details = append(refused.Details, detail)
	}
	return &failure{doing: doing, hint: c.hint(refused, serviceRole), refused: refused}
}
