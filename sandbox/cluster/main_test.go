package cluster

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"example.com/grpc-edge/sandbox/controlplanetest"
)

// apiServer is a real API server. It has no scheduler and no node.
var apiServer *rest.Config

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "controlplane")
	if err != nil {
		panic(err)
	}
	kubeconfig, stop, err := controlplanetest.Start(dir)
	if err == nil {
		apiServer, err = clientcmd.RESTConfigFromKubeConfig([]byte(kubeconfig))
	}
	code := 1
	if err != nil {
		fmt.Println(err)
	} else {
		apiServer.WarningHandler = rest.NoWarnings{}
		code = m.Run()
	}
	stop()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
