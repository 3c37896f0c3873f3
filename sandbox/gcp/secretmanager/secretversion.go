package secretmanager

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"example.com/grpc-edge/internal/wholefile"
	"example.com/grpc-edge/sandbox/gcp"
)

// maxSecret limits the size of a version, in bytes ("Quotas and limits", Secret Manager).
const maxSecret = 64 << 10

// SecretVersion describes a version of a secret. Each version is a file beside the state, which
// holds the plain payload, so that a command can add one while the cloud is open.
type SecretVersion struct {
	// Name is its full name, with the project's number and the version's.
	Name    string
	Created time.Time
	Payload []byte
}

// Checksum returns the CRC32C of the payload, by which clients check it ("SecretPayload",
// Secret Manager API).
func (v SecretVersion) Checksum() uint32 {
	return crc32.Checksum(v.Payload, crc32.MakeTable(crc32.Castagnoli))
}

// AddSecretVersion stores a payload as the newest version of a secret, in the cloud of a folder,
// and creates the secret if there is none. It does what `gcloud secrets versions add` does, and
// returns the version's name.
func AddSecretVersion(dir, project, secret string, payload []byte) (string, error) {
	if !secretID.MatchString(secret) {
		return "", fmt.Errorf("the secret %q must be named by 1-255 letters, digits, hyphens and underscores", secret)
	}
	if len(payload) == 0 || len(payload) > maxSecret {
		return "", fmt.Errorf("a version of a secret has 1 to %d bytes, and this one %d", maxSecret, len(payload))
	}
	folder := secretDir(dir, project, secret)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("keeping the secret %s: %w", secret, err)
	}
	numbers, err := secretVersions(folder)
	if err != nil {
		return "", err
	}
	number := 1
	if len(numbers) > 0 {
		number = numbers[len(numbers)-1] + 1
	}
	if err := wholefile.Write(filepath.Join(folder, strconv.Itoa(number)), payload, 0o600); err != nil {
		return "", fmt.Errorf("keeping the secret %s: %w", secret, err)
	}
	return fmt.Sprintf("projects/%s/secrets/%s/versions/%d", project, secret, number), nil
}

func secretDir(dir, project, secret string) string {
	return filepath.Join(dir, "secrets", project, secret)
}

// secretVersions lists the numbers of a secret's versions, the newest last.
func secretVersions(folder string) ([]int, error) {
	files, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the emulated secret: %w", err)
	}
	var numbers []int
	for _, file := range files {
		if n, err := strconv.Atoi(file.Name()); err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// VersionName matches a version's name ("projects.secrets.versions.get", Secret Manager
// API): a number, or the alias latest.
var VersionName = regexp.MustCompile(`^projects/([a-z0-9-]+)/secrets/([a-zA-Z0-9_-]{1,255})/versions/([1-9][0-9]{0,8}|latest)$`)

// Secrets are the secrets of a cloud.
type Secrets struct{ *gcp.Cloud }

// AccessSecret returns a version with its payload to the caller, see [gcp.As]
// ("projects.secrets.versions.access", Secret Manager API).
func (s Secrets) AccessSecret(ctx context.Context, name string) (SecretVersion, error) {
	return s.secretVersion(ctx, "secretmanager.versions.access", name)
}

// DescribeSecret returns a version without its payload to the caller
// ("projects.secrets.versions.get", Secret Manager API).
func (s Secrets) DescribeSecret(ctx context.Context, name string) (SecretVersion, error) {
	v, err := s.secretVersion(ctx, "secretmanager.versions.get", name)
	v.Payload = nil
	return v, err
}

// secretVersion reads a version for a caller with a permission, which is granted on the
// secret or its project. A caller without it does not learn whether the secret exists.
func (s Secrets) secretVersion(ctx context.Context, permission, name string) (SecretVersion, error) {
	parts := VersionName.FindStringSubmatch(name)
	if parts == nil {
		return SecretVersion{}, gcp.BadRequest("The resource name %q is not that of a version: projects/*/secrets/*/versions/*.", name)
	}
	v, done := s.View()
	project := v.ProjectID(parts[1])
	err := v.RequireAPI("secretmanager.googleapis.com", project)
	done()
	if err != nil {
		return SecretVersion{}, err
	}
	secret, version := parts[2], parts[3]
	// Conditions see the name of the version (IAM, "Resource attributes").
	if err := s.Permit(ctx, permission, "projects/"+project+"/secrets/"+secret+"/versions/"+version); err != nil {
		return SecretVersion{}, err
	}
	folder, full := secretDir(s.Path(), project, secret), "projects/"+gcp.ProjectNumber(project)+"/secrets/"+secret
	numbers, err := secretVersions(folder)
	if err != nil {
		return SecretVersion{}, err
	}
	if len(numbers) == 0 {
		return SecretVersion{}, &gcp.Error{Code: 404, Reason: "notFound", Message: fmt.Sprintf("Secret [%s] not found or has no versions.", full)}
	}
	if version == "latest" {
		version = strconv.Itoa(numbers[len(numbers)-1])
	}
	return readSecret(filepath.Join(folder, version), full+"/versions/"+version)
}

func readSecret(file, name string) (SecretVersion, error) {
	payload, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return SecretVersion{}, &gcp.Error{Code: 404, Reason: "notFound", Message: fmt.Sprintf("Secret Version [%s] not found.", name)}
	}
	if err != nil {
		return SecretVersion{}, fmt.Errorf("reading the emulated secret: %w", err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return SecretVersion{}, fmt.Errorf("reading the emulated secret: %w", err)
	}
	return SecretVersion{Name: name, Created: info.ModTime().UTC(), Payload: payload}, nil
}
