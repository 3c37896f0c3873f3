package googleapis

import (
	"net/http"
	"strings"

	"example.com/grpc-edge/sandbox/gcp"
)

// EnabledChecker is the part of the cloud that knows which APIs are enabled.
type EnabledChecker interface {
	Identifier
	Enabled(api, project string) error
}

// Probes answers a request that only asks whether an API knows the project (`probes` in
// infra/project/known.go). While the project in the path has not enabled the API, it refuses as
// that API does. Afterwards it answers 404: only Pulumi's provider reads and writes the objects here.
func Probes(cloud EnabledChecker) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := authenticate(w, r, cloud); !ok {
			return
		}
		_, rest, _ := strings.Cut(r.URL.Path, "/projects/")
		project, _, _ := strings.Cut(rest, "/")
		host, _, _ := strings.Cut(r.Host, ":")
		err := cloud.Enabled(host, project)
		if err == nil {
			err = &gcp.Error{Code: http.StatusNotFound, Message: "The sandbox emulates the objects of " + host + " for Pulumi's provider only."}
		}
		refuse(w, err)
	})
}
