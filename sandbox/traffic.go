package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"example.com/grpc-edge/internal/subprocess"
	"example.com/grpc-edge/internal/wait"
	"example.com/grpc-edge/sandbox/pulumi/stack"
)

// edge describes where the stack's services are called, according to its outputs.
type edge struct {
	address, authority string
	// ca is the PEM of the authority that the certificate is checked with; empty for the
	// authorities that the machine trusts.
	ca string
	// flags holds the flags that grpcurl needs besides -authority.
	flags []string
	// ready maps methods, such as api.Echo/Echo, to the ready-made commands that call them.
	ready map[string]string
	// described is the path of the file of descriptors, where reflection is off or has rules.
	described string
}

// readEdge reads the stack's outputs and writes the files that its commands name.
func readEdge(ctx context.Context, st stack.Stack) (edge, error) {
	outputs, err := st.Outputs(ctx)
	if err != nil {
		return edge{}, err
	}
	if err := writeFiles(outputs, st.State.Dir); err != nil {
		return edge{}, err
	}
	return edgeOf(outputs, st.State.Dir)
}

func edgeOf(outputs map[string]any, dir string) (edge, error) {
	text := func(name string) string { value, _ := outputs[name].(string); return value }
	e := edge{address: text("address"), authority: text("authority"), ca: text("caCertificate"), ready: map[string]string{}}
	if e.address == "" {
		return edge{}, errors.New("the stack has no output address: is it deployed? Try `make up`")
	}
	if e.ca != "" {
		e.flags = append(e.flags, "-cacert", filepath.Join(dir, caFile))
	}
	if text("protoset") != "" {
		e.described = filepath.Join(dir, protosetFile)
		e.flags = append(e.flags, "-protoset", e.described)
	}
	for _, command := range commandsOf(outputs, filepath.Base(dir)).GRPC {
		e.ready[command[strings.LastIndexByte(command, ' ')+1:]] = command
	}
	return e, nil
}

func (e edge) target() string { return e.address + ":443" }

func (e edge) grpcurl(ctx context.Context, st stack.Stack, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, st.Tools.Bin("grpcurl"), slices.Concat([]string{"-authority", e.authority}, e.flags, args)...)
}

// authorityOf returns the name by which the ready-made command calls a method, because the edge
// may not serve it by its first name.
func (e edge) authorityOf(method string) string {
	words := strings.Fields(e.ready[method])
	if i := slices.Index(words, "-authority"); i >= 0 && i+1 < len(words) {
		return words[i+1]
	}
	return e.authority
}

// services returns the services that the edge says it has, by reflection or by the file of
// the stack's outputs. Those of gRPC itself are not among them.
func (e edge) services(ctx context.Context, st stack.Stack) (map[string]*descriptorpb.ServiceDescriptorProto, error) {
	file := e.described
	if file == "" {
		dir, err := os.MkdirTemp(st.State.Dir, "reflected-")
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		file = filepath.Join(dir, "services.protoset")
		if _, err := subprocess.Output(e.grpcurl(ctx, st, "-protoset-out", file, e.target(), "list")); err != nil {
			return nil, fmt.Errorf("asking the edge by reflection which services there are: %w", err)
		}
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(content, set); err != nil {
		return nil, fmt.Errorf("reading the descriptors in %s: %w", file, err)
	}
	found := map[string]*descriptorpb.ServiceDescriptorProto{}
	for _, f := range set.GetFile() {
		if strings.HasPrefix(f.GetPackage(), "grpc.health.") || strings.HasPrefix(f.GetPackage(), "grpc.reflection.") {
			continue
		}
		for _, s := range f.GetService() {
			found[strings.TrimPrefix(f.GetPackage()+"."+s.GetName(), ".")] = s
		}
	}
	return found, nil
}

// samples returns the methods that `make up` may call, sorted. They are unary, their proto
// declares that they have no side effects, and a request for them is ready.
func (e edge) samples(services map[string]*descriptorpb.ServiceDescriptorProto) []sample {
	var found []sample
	for name, s := range services {
		for _, m := range s.GetMethod() {
			safe := m.GetOptions().GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
			command, ready := e.ready[name+"/"+m.GetName()]
			if safe && ready && !m.GetClientStreaming() && !m.GetServerStreaming() {
				found = append(found, sample{name + "/" + m.GetName(), command})
			}
		}
	}
	slices.SortFunc(found, func(a, b sample) int { return cmp.Compare(a.method, b.method) })
	return found
}

// callSamples calls each sample once and returns the answers, one a line. It changes nothing.
func (e edge) callSamples(ctx context.Context, st stack.Stack) (string, error) {
	services, err := e.services(ctx, st)
	if err != nil {
		return "", err
	}
	return e.callSamplesOf(ctx, st, services)
}

// callSamplesOf calls the samples among the methods of these services, as callSamples does.
func (e edge) callSamplesOf(ctx context.Context, st stack.Stack, services map[string]*descriptorpb.ServiceDescriptorProto) (string, error) {
	var lines []line
	var errs []error
	for _, c := range e.samples(services) {
		answer, err := c.call(ctx, st)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		lines = append(lines, line{c.method, answer})
	}
	return table(lines), errors.Join(errs...)
}

// prove waits until the edge says that each service is healthy, then calls the samples, and
// returns what came back. It calls only methods whose proto declares them safe.
func (e edge) prove(ctx context.Context, st stack.Stack) (string, error) {
	conn, err := e.dial()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	bounded, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	var lines []line
	var services map[string]*descriptorpb.ServiceDescriptorProto
	if err := until(bounded, func(ctx context.Context) (err error) {
		if services, err = e.settled(ctx, st); err != nil {
			return err
		}
		lines, err = healthy(ctx, healthpb.NewHealthClient(conn), slices.Sorted(maps.Keys(services)))
		return err
	}); err != nil {
		return "", fmt.Errorf("traffic does not flow after %s: %w; look at `make status` and `make logs`", readyTimeout, err)
	}
	answers, err := e.callSamplesOf(ctx, st, services)
	return table(lines) + answers, err
}

// settledAnswers is the number of answers, each on a connection of its own, in which the edge must
// name all services. After a rollout the pods from before it still answer some calls while they drain.
const settledAnswers = 8

// settled returns the services that the edge says it has. It returns an error while an answer
// leaves out one that the stack's outputs name.
func (e edge) settled(ctx context.Context, st stack.Stack) (map[string]*descriptorpb.ServiceDescriptorProto, error) {
	answers := make([]map[string]*descriptorpb.ServiceDescriptorProto, settledAnswers)
	group, ctx := errgroup.WithContext(ctx)
	for i := range answers {
		group.Go(func() (err error) {
			if answers[i], err = e.services(ctx, st); err != nil {
				return err
			}
			if missing := e.missing(answers[i]); len(missing) > 0 {
				return fmt.Errorf("the edge does not name %s yet", strings.Join(missing, ", "))
			}
			return nil
		})
	}
	err := group.Wait()
	return answers[0], err
}

// missing returns the services that the outputs have commands for and that are not in services, sorted.
func (e edge) missing(services map[string]*descriptorpb.ServiceDescriptorProto) []string {
	var missing []string
	for method := range e.ready {
		service, _, _ := strings.Cut(method, "/")
		if _, named := services[service]; !named && !slices.Contains(missing, service) {
			missing = append(missing, service)
		}
	}
	return slices.Sorted(slices.Values(missing))
}

// healthy checks the health of each service and returns it, or an error if one is not serving.
// Where the edge has no health service, or refuses it to strangers, it returns a line that says
// so and asks no more.
func healthy(ctx context.Context, client healthpb.HealthClient, services []string) ([]line, error) {
	var lines []line
	for _, name := range services {
		answer, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: name})
		switch code := grpcstatus.Code(err); code {
		case codes.OK:
		case codes.Unimplemented, codes.Unauthenticated, codes.PermissionDenied:
			return []line{{"the edge", fmt.Sprintf("answers, but reports no health (%s)", code)}}, nil
		default:
			return nil, fmt.Errorf("asking for the health of %s: %w", name, err)
		}
		if answer.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			return nil, fmt.Errorf("%s is %s", name, answer.GetStatus())
		}
		lines = append(lines, line{name, answer.GetStatus().String()})
	}
	return lines, nil
}

// dial prepares a connection to the edge, as a client does.
func (e edge) dial() (*grpc.ClientConn, error) {
	trusted := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: e.authority}
	if e.ca != "" {
		trusted.RootCAs = x509.NewCertPool()
		if !trusted.RootCAs.AppendCertsFromPEM([]byte(e.ca)) {
			return nil, errors.New("the output caCertificate is no certificate")
		}
	}
	return grpc.NewClient("passthrough:///"+e.target(), grpc.WithAuthority(e.authority), grpc.WithTransportCredentials(credentials.NewTLS(trusted)))
}

// attemptTimeout limits one attempt.
const attemptTimeout = 10 * time.Second

// until retries until an attempt succeeds or ctx ends. It then returns the last error of an attempt
// that was not cut off, as only such an error shows the cause.
func until(ctx context.Context, try func(context.Context) error) error {
	var last error
	for {
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		err := try(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		if wait.For(ctx, 500*time.Millisecond) != nil {
			return last
		}
	}
}

// line is a service or method, and its answer.
type line struct{ name, answer string }

func table(lines []line) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		fmt.Fprintf(w, "%s\t%s\n", l.name, l.answer)
	}
	_ = w.Flush() // a strings.Builder takes all
	return text.String()
}
