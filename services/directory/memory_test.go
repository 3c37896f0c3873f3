package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"example.com/grpc-edge/services/chassis/chassistest"
)

// manyServices and podsOfEach are the size at which the directory must fit into its pod, with
// the memory limit that infra/directory sets for it, in bytes.
const (
	manyServices = 500
	podsOfEach   = 3
	memoryLimit  = 314 << 20
)

// TestManyServicesFitIntoAPod watches three pods of each of 500 services of 10 methods, and
// checks the memory that the process takes.
func TestManyServicesFitIntoAPod(t *testing.T) {
	pod := startBackend(t, "0.0.0.0:0")
	pod.SetServingStatus("", serving)
	_, port, err := net.SplitHostPort(pod.address)
	if err != nil {
		t.Fatal(err)
	}
	var files []*descriptorpb.FileDescriptorProto
	var targets []string
	for n := range manyServices {
		file := manyMethods(n)
		files = append(files, file)
		for m, service := range file.GetService() {
			targets = append(targets, fmt.Sprintf("%s.%s=dns:///127.%d.%d.%d:%s", file.GetPackage(), service.GetName(), m+1, n/250, n%250+1, port))
		}
	}
	conn := chassistest.Start(t, "BACKENDS="+strings.Join(targets, ","), "DESCRIPTORS="+write(t, files...), "GOMEMLIMIT="+strconv.Itoa(memoryLimit*9/10))
	for _, target := range targets { // connected and healthy
		service, _, _ := strings.Cut(target, "=")
		answer, err := grpc_health_v1.NewHealthClient(conn).Check(bounded(t), &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil || answer.GetStatus() != serving {
			t.Fatalf("the health of %s is %s, %v", service, answer.GetStatus(), err)
		}
	}
	if used := memoryOfChild(t); used > memoryLimit*2/3 {
		t.Errorf("the directory uses %d MiB, want at most two thirds of its limit of %d MiB", used>>20, memoryLimit>>20)
	}
}

// manyMethods describes a service of 10 methods, and one service without a method for each
// further pod: the directory connects to each.
func manyMethods(n int) *descriptorpb.FileDescriptorProto {
	name := fmt.Sprintf("Service%d", n)
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String(fmt.Sprintf("many/v1/service%d.proto", n)), Package: proto.String(fmt.Sprintf("many%d.v1", n)), Syntax: proto.String("proto3"),
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String(name)}},
	}
	message := func(name string) string {
		file.MessageType = append(file.MessageType, &descriptorpb.DescriptorProto{Name: proto.String(name), Field: []*descriptorpb.FieldDescriptorProto{{
			Name: proto.String("content"), Number: proto.Int32(1), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}}})
		return "." + file.GetPackage() + "." + name
	}
	for m := range 10 {
		method := fmt.Sprintf("Method%d", m)
		file.Service[0].Method = append(file.Service[0].Method, &descriptorpb.MethodDescriptorProto{
			Name: proto.String(method), InputType: proto.String(message(method + "Request")), OutputType: proto.String(message(method + "Response")),
		})
	}
	for m := 1; m < podsOfEach; m++ {
		file.Service = append(file.Service, &descriptorpb.ServiceDescriptorProto{Name: proto.String(fmt.Sprint(name, "Pod", m))})
	}
	return file
}

// memoryOfChild returns the resident memory of the process that the test started, in bytes.
func memoryOfChild(t *testing.T) int {
	t.Helper()
	statuses, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		t.Fatal(err)
	}
	child := regexp.MustCompile(fmt.Sprintf(`(?s)PPid:\t%d\n.*VmRSS:\s*([0-9]+) kB`, os.Getpid()))
	for _, status := range statuses {
		content, err := os.ReadFile(status)
		if err != nil {
			continue // it has ended
		}
		if found := child.FindSubmatch(content); found != nil {
			used, err := strconv.Atoi(string(found[1]))
			if err != nil {
				t.Fatal(err)
			}
			return used << 10
		}
	}
	t.Fatal("the directory does not run")
	return 0
}
