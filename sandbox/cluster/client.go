package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// apiReadyTimeout limits how long an API server may take to start on a loaded machine. It usually
// takes 5 s.
const apiReadyTimeout = 3 * time.Minute

// apiTimeout limits one request of Client.
const apiTimeout = 10 * time.Second

// RESTConfig returns the config by which the sandbox itself talks to the cluster: from the host,
// at the external address, with administrator rights.
func (c *Cluster) RESTConfig() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("https://"+c.plane.external.String(), c.Kubeconfig())
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 50, 100
	return config, nil
}

// Client waits until dir (Options.Dir) has the state of a cluster, and returns a client with
// administrator rights of the first one. If ctx ends before that, it returns the error of ctx.
func Client(ctx context.Context, dir string) (*kubernetes.Clientset, error) {
	var client *kubernetes.Clientset
	err := wait.PollUntilContextCancel(ctx, time.Second, true, func(context.Context) (bool, error) {
		files, err := filepath.Glob(filepath.Join(dir, "*", "admin.kubeconfig"))
		if err != nil || len(files) == 0 {
			return false, err
		}
		address, err := os.ReadFile(filepath.Join(filepath.Dir(files[0]), endpointFile))
		if err != nil {
			return false, nil // it is being made
		}
		config, err := clientcmd.BuildConfigFromFlags("https://"+string(address), files[0])
		if err != nil {
			return false, nil
		}
		config.Timeout = apiTimeout
		client, err = kubernetes.NewForConfig(config)
		return err == nil, err
	})
	return client, err
}

func (c *Cluster) client() (*kubernetes.Clientset, error) {
	config, err := c.RESTConfig()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// waitReady waits until the API server says that it is ready.
func (c *Cluster) waitReady(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, apiReadyTimeout, true, func(ctx context.Context) (bool, error) {
		select {
		case <-c.vm.Done():
			return false, errors.New("its VM ended")
		default:
		}
		_, last = client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the API server of cluster %s: %w; its logs are in %s", c.plane.spec.Name, errors.Join(err, last), c.plane.file("log"))
	}
	return nil
}
