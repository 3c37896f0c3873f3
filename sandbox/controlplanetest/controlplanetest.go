// Package controlplanetest runs a real Kubernetes control plane for a test: an
// API server with its controllers, but no scheduler and no node. Tests act as both.
package controlplanetest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"example.com/grpc-edge/internal/wait"
)

// Start runs etcd, kube-apiserver and kube-controller-manager on loopback, with their data in dir.
// The kubeconfig has administrator rights. stop ends what was started, even after an error. It runs
// the programs that the sandbox builds, so the test must be two folders below the repository.
func Start(dir string) (kubeconfig string, stop func(), err error) {
	var started []*exec.Cmd
	stop = func() {
		for _, cmd := range started {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	run := func(name string, args ...string) {
		binary, _ := filepath.Abs(filepath.Join("../../.cache/bin", name))
		log, logErr := os.Create(filepath.Join(dir, name+".log"))
		cmd := exec.Command(binary, args...)
		cmd.Stdout, cmd.Stderr = log, log
		if startErr := cmd.Start(); startErr != nil || logErr != nil {
			err = errors.Join(err, fmt.Errorf("starting %s: %w; build it with `make tools`", name, errors.Join(startErr, logErr)))
			return
		}
		started = append(started, cmd)
	}
	etcd, peers, api := freeAddress(), freeAddress(), freeAddress()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", stop, err
	}
	_, port, _ := net.SplitHostPort(api)
	kubeconfig = fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: "https://%s", insecure-skip-tls-verify: true}}]
users: [{name: test, user: {token: test}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
`, api)
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "tokens"), []byte("test,admin,admin,system:masters\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "kubeconfig"), []byte(kubeconfig), 0o600),
		os.WriteFile(filepath.Join(dir, "sa.key"), pem.EncodeToMemory(&pem.Block{
			Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600))
	run("etcd", "--data-dir", filepath.Join(dir, "etcd"), "--unsafe-no-fsync",
		"--listen-client-urls", "http://"+etcd, "--advertise-client-urls", "http://"+etcd,
		"--listen-peer-urls", "http://"+peers, "--initial-advertise-peer-urls", "http://"+peers,
		"--initial-cluster", "default=http://"+peers)
	run("kube-apiserver", "--etcd-servers", "http://"+etcd, "--bind-address", "127.0.0.1", "--secure-port", port,
		"--cert-dir", filepath.Join(dir, "certs"), "--token-auth-file", filepath.Join(dir, "tokens"),
		"--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.96.0.0/24",
		"--service-account-issuer", "https://kubernetes.default.svc",
		"--service-account-key-file", filepath.Join(dir, "sa.key"),
		"--service-account-signing-key-file", filepath.Join(dir, "sa.key"),
		"--disable-admission-plugins", "ServiceAccount")
	if err != nil {
		return kubeconfig, stop, err
	}
	if err := waitReady("https://" + api + "/readyz"); err != nil {
		return kubeconfig, stop, err
	}
	run("kube-controller-manager", "--kubeconfig", filepath.Join(dir, "kubeconfig"),
		"--leader-elect=false", "--secure-port", "0")
	return kubeconfig, stop, err
}

// freeAddress returns an address on loopback that nothing listens on.
func freeAddress() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func waitReady(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer test")
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		if ended := wait.For(ctx, 100*time.Millisecond); ended != nil {
			return fmt.Errorf("the test's API server is not ready after 2 minutes: %w", errors.Join(ended, err))
		}
	}
}
