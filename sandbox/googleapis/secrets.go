package googleapis

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/secretmanager"
)

// SecretReader is the part of the cloud that keeps secrets.
type SecretReader interface {
	Identifier
	AccessSecret(ctx context.Context, version string) (secretmanager.SecretVersion, error)
	DescribeSecret(ctx context.Context, version string) (secretmanager.SecretVersion, error)
}

// Secrets serves access and get of versions ("projects.secrets.versions", Secret Manager API) as
// REST, which is all that is read of Secret Manager here. Google's libraries call by gRPC by
// default, and get 404.
func Secrets(cloud SecretReader) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, v1 := strings.CutPrefix(r.URL.Path, "/v1/")
		if !v1 || r.Method != http.MethodGet {
			refuse(w, &gcp.Error{Code: http.StatusNotFound, Message: "The sandbox emulates reading versions of secrets by REST only."})
			return
		}
		ctx, ok := authenticate(w, r, cloud)
		if !ok {
			return
		}
		version, access := strings.CutSuffix(name, ":access")
		if access {
			v, err := cloud.AccessSecret(ctx, version)
			answerWith(w, accessResponse{v.Name, secretPayload{v.Payload, strconv.FormatUint(uint64(v.Checksum()), 10)}}, err)
			return
		}
		v, err := cloud.DescribeSecret(ctx, name)
		answerWith(w, versionResponse{Name: v.Name, CreateTime: v.Created.Format(time.RFC3339Nano), State: "ENABLED", ClientChecksum: true}, err)
	})
}

// Bodies of "projects.secrets.versions.access" and "SecretVersion", Secret Manager API. An
// int64 is a text in JSON.
type (
	accessResponse struct {
		Name    string        `json:"name"`
		Payload secretPayload `json:"payload"`
	}
	secretPayload struct {
		Data     []byte `json:"data"`
		Checksum string `json:"dataCrc32c"`
	}
	versionResponse struct {
		Name           string `json:"name"`
		CreateTime     string `json:"createTime"`
		State          string `json:"state"`
		ClientChecksum bool   `json:"clientSpecifiedPayloadChecksum"`
	}
)

func answerWith(w http.ResponseWriter, body any, err error) {
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, http.StatusOK, body)
}
