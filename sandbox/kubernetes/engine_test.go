package kubernetes

import (
	"net"
	"strings"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/grpc-edge/sandbox/clitest"
	"example.com/grpc-edge/sandbox/tls"
)

// The real engine drives the providers through a stack's whole life.
func TestStackWithTheRealEngine(t *testing.T) {
	t.Parallel()
	const namespace = "engine"
	p := clitest.New(t, "testdata/program", "")
	_, kubernetesPort, _ := net.SplitHostPort(serve(t))
	p.Env = []string{"PULUMI_DEBUG_PROVIDERS=kubernetes:" + kubernetesPort + ",tls:" + serveTLS(t)}
	p.MustRun("config", "set", "namespace", namespace)
	p.MustRun("config", "set", "message", "first")
	p.MustRun("config", "set", "--secret", "kubeconfig", "--", kubeconfig)
	playKubelet(t, namespace, readyPod)

	p.MustRun("preview")
	p.MustRun("up", "--yes", "--skip-preview")
	p.MustRun("preview", "--expect-no-changes")
	p.MustRun("refresh", "--yes", "--skip-preview", "--expect-no-changes")
	p.MustRun("preview", "--expect-no-changes")
	if state := p.MustRun("stack", "export"); strings.Contains(state, "PRIVATE KEY") || strings.Contains(state, "token: test") {
		t.Error("the state holds the private key or the kubeconfig in plain text")
	}

	p.MustRun("config", "set", "message", "second")
	preview := p.MustRun("preview", "--diff")
	for _, want := range []string{"+-1 to replace", "~ 1 to update", `"first" => "second"`} {
		if !strings.Contains(preview, want) {
			t.Errorf("the preview of a new message lacks %q:\n%s", want, preview)
		}
	}
	p.MustRun("up", "--yes", "--skip-preview")
	maps, err := direct(t).typed.CoreV1().ConfigMaps(namespace).List(bounded(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var messages []string
	for _, m := range maps.Items {
		if strings.HasPrefix(m.Name, "settings-") {
			messages = append(messages, m.Data["message"])
		}
	}
	if len(messages) != 1 || messages[0] != "second" {
		t.Errorf("the cluster holds messages %q, want only the second", messages)
	}

	p.MustRun("destroy", "--yes", "--skip-preview")
	if _, err := direct(t).typed.CoreV1().Namespaces().Get(bounded(t), namespace, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("after destroy, looking for the namespace gives %v, want not found", err)
	}
}

// serveTLS serves the TLS provider and returns its port.
func serveTLS(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pulumirpc.RegisterResourceProviderServer(server, tls.New())
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}
