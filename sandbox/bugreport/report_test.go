package bugreport

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, folder string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// unpack returns the files of an archive.
func unpack(t *testing.T, archive io.Reader) map[string]string {
	t.Helper()
	plain, err := gzip.NewReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for reader := tar.NewReader(plain); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(text)
	}
}

const (
	passphrase = "f00dfeedf00dfeedf00dfeed"
	password   = "hunter2!"
	pemKey     = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIKEYKEYKEY\n-----END EC PRIVATE KEY-----"
	jwt        = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJlZGdlIn0.c2lnbmF0dXJl"
	access     = "ya29.ACCESSACCESS"
	cipher     = "v1:AAAAAAAAAAAAAAAA:Q0lQSEVSVEVYVA=="
)

// TestReportHoldsNoSecret puts secrets into every file that a sandbox has, and in every form.
func TestReportHoldsNoSecret(t *testing.T) {
	t.Parallel()
	state, builds := t.TempDir(), t.TempDir()
	inJSON := strings.ReplaceAll(pemKey, "\n", `\n`)
	write(t, state, map[string]string{
		"credentials/passphrase": passphrase, "credentials/tokens.csv": "0123abcd4567,deployer@p.iam.gserviceaccount.com,deployer,\"system:masters\"\n",
		"cloud/secrets/p/db/1": password, "cloud/keys/k.pem": pemKey, "pki/key.pem": pemKey, "clusters/edge/pki/ca.key": pemKey,
		"kubeconfig": "token: " + jwt, "ca.pem": "public, and of no use", "cloud/registry/x/blob.log": "an image",
		"log/sandbox.log": "sandbox is up\nread " + passphrase + "\nAuthorization: Bearer " + strings.Repeat("b", 20) + "\npassword=correct-horse\n" +
			"pulling from https://user:pull-secret@registry.example.com/x\n" + base64.StdEncoding.EncodeToString([]byte(password)) + "\n",
		"clusters/edge/node/log/kubelet.log": "node is ready " + jwt + " 0123abcd4567\n" + pemKey + "\n" + access,
		"cloud/state.json":                   `{"objects":[{"name":"projects/p/global/networks/n","config":{"note":"` + inJSON + `","authToken":"short"}}]}`,
		"daemon.json":                        `{"PID":1}`,
		"Pulumi.sandbox.yaml":                "encryptionsalt: " + cipher + "\nconfig:\n  grpc-edge:region: us-central1\n  grpc-edge:key:\n    secure: " + cipher + "\n",
		"pulumi/.pulumi/stacks/grpc-edge/sandbox.json": `{"checkpoint":{"latest":{"resources":[{"urn":"urn:edge","outputs":{` +
			`"key":{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","ciphertext":"` + cipher + `"},"privateKeyPem":"x-private",` +
			`"text":"{\"clientKey\":\"nested-key\"}"}}]}}}`,
	})
	write(t, builds, map[string]string{"etcd.log": "go: downloading\nGOPROXY=https://me:proxy-password@proxy.example.com\n"})
	var archive bytes.Buffer
	if err := Write(&archive, state, builds, Part{"cluster.txt", []byte("pod/echo Running " + password)}); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, &archive)
	for name, text := range files {
		for _, secret := range []string{passphrase, password, base64.StdEncoding.EncodeToString([]byte(password)), "MHcCAQEE", jwt, access, "Q0lQSEVS",
			"0123abcd4567", "bbbbbbbb", "correct-horse", "pull-secret", "proxy-password", "short", "x-private", "nested-key"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %q:\n%s", name, secret, text)
			}
		}
	}
	for name, want := range map[string]string{
		"report/cluster.txt": "pod/echo Running", "report/sandbox/log/sandbox.log": "sandbox is up", "report/builds/etcd.log": "go: downloading",
		"report/sandbox/clusters/edge/node/log/kubelet.log": "node is ready", "report/sandbox/cloud/state.json": "projects/p/global/networks/n",
		"report/sandbox/daemon.json": "PID", "report/sandbox/Pulumi.sandbox.yaml": "us-central1",
		"report/sandbox/pulumi/.pulumi/stacks/grpc-edge/sandbox.json": "urn:edge",
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s has no %q: %q", name, want, files[name])
		}
		delete(files, name)
	}
	for name := range files {
		t.Errorf("%s is packed, and should not be", name)
	}
}

// TestReportTellsWhatItCouldNotRead checks that a report names a folder that it could not read, and
// holds the end of a log that is too long.
func TestReportTellsWhatItCouldNotRead(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	write(t, state, map[string]string{"log/sandbox.log": strings.Repeat("x", longest) + "the end"})
	var archive bytes.Buffer
	if err := Write(&archive, state, filepath.Join(state, "nowhere")); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, &archive)
	if text := files["report/builds/unread.txt"]; !strings.Contains(text, "nowhere") {
		t.Errorf("what could not be read is %q", text)
	}
	if text := files["report/sandbox/log/sandbox.log"]; len(text) != longest || !strings.HasSuffix(text, "the end") {
		t.Errorf("of a long log %d bytes are packed, want the last %d", len(text), longest)
	}
}
