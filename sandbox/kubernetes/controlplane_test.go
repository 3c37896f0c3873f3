package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"example.com/grpc-edge/sandbox/controlplanetest"
	"example.com/grpc-edge/sandbox/languagehost"
)

// kubeconfig leads to a real API server with its controllers, but no scheduler
// and no node: the tests play the kubelet.
var kubeconfig string

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "pulumi-language-go" { // started by the CLI: see engine_test.go
		os.Exit(languagehost.Main(os.Args[1:]))
	}
	dir, err := os.MkdirTemp("", "controlplane")
	if err != nil {
		panic(err)
	}
	var stop func()
	kubeconfig, stop, err = controlplanetest.Start(dir)
	code := 1
	if err != nil {
		fmt.Println(err)
	} else {
		code = m.Run()
	}
	stop()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}
