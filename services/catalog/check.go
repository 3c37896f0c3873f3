package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
)

var (
	byDigest = regexp.MustCompile(`^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}$`)
	variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// secretKey matches a key of a Secret of Kubernetes, and filePath a path whose key in a
	// ConfigMap is one.
	secretKey   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,253}$`)
	filePath    = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,200}$`)
	rolePattern = regexp.MustCompile(`^((projects|organizations)/[a-z0-9-]+/)?roles/[A-Za-z0-9_.]+$`)
	// versionPattern matches the secret's project, which may be left out, its name and the number of the version.
	// It does not match "latest", whose meaning changes without a deployment.
	versionPattern = regexp.MustCompile(`^(?:projects/([a-z0-9-]+)/secrets/([A-Za-z0-9_-]{1,255})/versions/([1-9][0-9]*)|([A-Za-z0-9_-]{1,255})/([1-9][0-9]*))$`)
)

// platformVariables lists the variables that the platform sets in every pod. Those of
// OpenTelemetry are not among them: a service may set its own.
var platformVariables = []string{"PORT", "TERMINATION_BUDGET", "MAX_CALLS", "GOMEMLIMIT"}

// systemFolders lists the folders of the kernel, the program and the user list of the image.
// In the kernel's, nothing can be mounted at any depth.
var (
	systemFolders = []string{"/", "/app", "/dev", "/etc", "/proc", "/sys"}
	kernelFolders = []string{"/dev", "/proc", "/sys"}
)

// maxFiles is the size limit of a ConfigMap and of a Secret (Kubernetes, "ConfigMaps": 1 MiB), less room for its metadata.
const maxFiles = 1<<20 - 1<<14

// checker collects what is wrong with one service.
type checker struct {
	*Service
	problems []Problem
}

func (c *checker) report(key, format string, args ...any) {
	c.problems = append(c.problems, Problem{c.At(key), fmt.Sprintf(format, args...)})
}

// check returns everything that is wrong with the service, whose folder is dir.
func (s *Service) check(dir string) []Problem {
	c := &checker{Service: s}
	if s.Image != "" && !byDigest.MatchString(s.Image) {
		c.report("image", "is %q; it must be an image by digest, REGISTRY/PATH@sha256:…, since a tag can be moved to another image", s.Image)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); s.Built() && errors.Is(err, fs.ErrNotExist) {
		c.report("image", "is empty, and %s has no go.mod of a program to build; set image to one that is built elsewhere", s.Folder)
	}
	for key, words := range map[string][]string{"command": s.Command, "args": s.Args} {
		if len(words) > 0 && s.Built() {
			c.report(key, "is for an image that is built elsewhere; the one built here runs the Go program in %s, which takes what it needs from environment", s.Folder)
		}
	}
	c.checkSize()
	c.checkEnvironment()
	c.checkSecretsSize()
	c.checkFolders(dir)
	c.checkWays()
	return c.problems
}

// checkSize checks the numbers that the service itself sets. The stack's own keys have
// their own checks.
func (c *checker) checkSize() {
	cpu, err := Millicores(c.CPU)
	if err != nil {
		c.report("cpu", "is %q; it must be %s", c.CPU, cores)
	}
	if most, wrong := Millicores(c.CPULimit); c.CPULimit != "" && wrong != nil {
		c.report("cpuLimit", "is %q; it must be %s", c.CPULimit, cores)
	} else if c.CPULimit != "" && err == nil && most < cpu {
		c.report("cpuLimit", "is %s; it must be at least cpu, %s", c.CPULimit, c.CPU)
	}
	if _, err := Bytes(c.Memory); err != nil {
		c.report("memory", "is %q; it must be %s", c.Memory, quantities)
	}
	limit, err := Bytes(c.MemoryLimit)
	if c.MemoryLimit != "" && err != nil {
		c.report("memoryLimit", "is %q; it must be %s", c.MemoryLimit, quantities)
	} else if request, wrong := Bytes(c.Memory); c.MemoryLimit != "" && wrong == nil && limit < request {
		c.report("memoryLimit", "is %s; it must be at least memory, %s", c.MemoryLimit, c.Memory)
	}
	for _, number := range []struct {
		key                string
		value, least, most int
	}{
		{"replicas", c.Replicas, 1, 100},
		{"replicasMax", c.ReplicasMax, 0, 1000},
		{"scaleAtCpuMillicores", c.ScaleAtCPUMillicores, 10, 64_000},
		{"maxCalls", c.MaxCalls, 0, 100_000},
		{"minReadySeconds", c.MinReadySeconds, 0, 300},
		{"terminationSeconds", c.TerminationSeconds, 10, 3600},
		{"startupSeconds", c.StartupSeconds, 1, 3600},
	} {
		if c.given[number.key] && (number.value < number.least || number.value > number.most) {
			c.report(number.key, "is %d; it must be a whole number from %d to %d", number.value, number.least, number.most)
		}
	}
	if c.ReplicasMax != 0 && c.ReplicasMax <= c.Replicas && (c.given["replicas"] || c.given["replicasMax"]) {
		c.report("replicasMax", "is %d; it must be 0, for always %d pods, or more than replicas", c.ReplicasMax, c.Replicas)
	}
}

func (c *checker) checkEnvironment() {
	taken := map[string]string{}
	for _, name := range platformVariables {
		taken[name] = "the platform sets it"
	}
	for _, callee := range c.Calls {
		taken[TargetVariable(callee)] = "the platform sets it for calls to " + callee
	}
	for _, name := range slices.Sorted(maps.Keys(c.Environment)) {
		c.checkVariable("environment."+name, name, taken)
		taken[name] = "environment has it"
	}
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		secret, key := c.Secrets[name], "secrets."+name
		if secret.File == "" {
			c.checkVariable(key, name, taken)
		} else if !secretKey.MatchString(name) {
			c.report(key, "cannot be the name of a secret; it must be letters, digits, -, _ and .")
		}
		switch {
		case secret.Value != "" && secret.Version != "":
			c.report(key, "has both value and version; keep one")
		case secret.Version != "" && !versionPattern.MatchString(secret.Version):
			c.report(key+".version", "is %q; it must be NAME/NUMBER, or projects/PROJECT/secrets/NAME/versions/NUMBER", secret.Version)
		case secret.Value == "" && secret.Version == "":
			c.report(key, "has no value; set it with: pulumi config set --secret --path '%s.%s.%s.value' VALUE; or name a version in Secret Manager", stackKey, c.Name, key)
		}
	}
}

// checkSecretsSize checks the values that the stack has. Those in Secret Manager are not known yet.
func (c *checker) checkSecretsSize() {
	size := 0
	for name, secret := range c.Secrets {
		size += len(name) + len(secret.Value)
	}
	if size > maxFiles {
		c.report("secrets", "hold %d bytes together; a Secret takes %d", size, maxFiles)
	}
}

func (c *checker) checkVariable(key, name string, taken map[string]string) {
	if !variable.MatchString(name) {
		c.report(key, "cannot be the name of a variable; it must be letters, digits and _, and not begin with a digit")
	} else if why, ok := taken[name]; ok {
		c.report(key, "cannot be set: %s", why)
	}
}

// checkFolders checks what is mounted where.
func (c *checker) checkFolders(dir string) {
	mounted := map[string]string{} // by path, what mounts it
	mount := func(key, target string) {
		if !path.IsAbs(target) || path.Clean(target) != target || slices.Contains(systemFolders, target) || within(target, kernelFolders) != "" {
			c.report(key, "needs an absolute path in the container that is not one of %s, nor below %s", strings.Join(systemFolders, ", "), strings.Join(kernelFolders, ", "))
		} else if !filePath.MatchString(target) {
			c.report(key, "must be at most 200 letters, digits, -, _, . and /")
		} else if other, ok := mounted[target]; ok && other != key {
			c.report(key, "and %s are both at %s; choose another path for one of them", other, target)
		}
		mounted[target] = key
	}
	size := int64(0)
	for _, target := range slices.Sorted(maps.Keys(c.Files)) {
		mount("files."+target, target)
		info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(c.Files[target])))
		switch {
		case !filepath.IsLocal(filepath.FromSlash(c.Files[target])):
			c.report("files."+target, "is %q; it must be a file in the folder of the service", c.Files[target])
		case err != nil || !info.Mode().IsRegular():
			c.report("files."+target, "is %q, which is no file in %s", c.Files[target], c.Folder)
		default:
			size += info.Size()
		}
	}
	if size > maxFiles {
		c.report("files", "hold %d bytes together; a ConfigMap takes %d; put larger ones into the image", size, maxFiles)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		if c.Secrets[name].File != "" {
			mount("secrets."+name+".file", c.Secrets[name].File)
		}
	}
	for _, target := range slices.Sorted(maps.Keys(c.Scratch)) {
		mount("scratch."+target, target)
		if _, err := Bytes(c.Scratch[target]); err != nil {
			c.report("scratch."+target, "is %q; it must be %s", c.Scratch[target], quantities)
		}
	}
	for _, target := range slices.Sorted(maps.Keys(mounted)) {
		for _, other := range slices.Sorted(maps.Keys(mounted)) {
			if within(target, []string{other}) != "" && !strings.HasPrefix(mounted[other], "scratch.") {
				c.report(mounted[target], "is below %s, which is a file; choose another path for one of them", other)
			}
		}
	}
}

// within returns the folder that the path is below, or nothing.
func within(target string, folders []string) string {
	for _, folder := range folders {
		if strings.HasPrefix(target, folder+"/") {
			return folder
		}
	}
	return ""
}

// checkWays checks which destinations the pods may reach, and with which identity.
func (c *checker) checkWays() {
	for i, role := range c.Roles {
		if !rolePattern.MatchString(role.Role) {
			c.report("roles", "[%d] is %q; it must be a role such as roles/secretmanager.secretAccessor", i, role.Role)
		} else if slices.Contains(c.Roles[:i], role) {
			c.report("roles", "[%d] is %s once more, with the same condition; keep one", i, role.Role)
		}
	}
	for i, way := range c.Egress {
		prefix, err := netip.ParsePrefix(way.CIDR)
		if err != nil || prefix != prefix.Masked() {
			c.report("egress", "[%d].cidr is %q; it must be a CIDR block, such as 10.40.0.0/24", i, way.CIDR)
		} else if prefix.Bits() == 0 {
			c.report("egress", "[%d].cidr is %q, which is everything; set internet to true instead", i, way.CIDR)
		}
		if len(way.Ports) == 0 || slices.ContainsFunc(way.Ports, func(port int) bool { return port < 1 || port > 65535 }) {
			c.report("egress", "[%d].ports is %v; it must be at least one port from 1 to 65535", i, way.Ports)
		}
	}
	if len(c.Roles) > 0 && !c.GoogleAPIs && !c.Internet {
		c.report("roles", "are of no use without a way to Google's APIs; set googleApis to true, too")
	}
}

// checkTogether checks what several services have to agree on.
func checkTogether(services []Service, names []string) []Problem {
	var problems []Problem
	owner, known := map[protoreflect.FullName]string{}, protos{map[string]file{}, map[protoreflect.FullName]file{}}
	for i := range services {
		s := &services[i]
		c := &checker{Service: s}
		for j, callee := range s.Calls {
			if callee == s.Name || !slices.Contains(names, callee) {
				others := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == s.Name })
				c.report("calls", "[%d] is %q; %s", j, callee, oneOf(others))
			}
		}
		if !s.Private { // what the edge does not know cannot meet there
			c.checkProtos(owner, known)
		}
		problems = append(problems, c.problems...)
	}
	return problems
}

// protos holds the files of all services and their imports by path, and what they declare by name.
type protos struct {
	files map[string]file
	names map[protoreflect.FullName]file
}

// file holds a proto file and the service that has it.
type file struct {
	protoreflect.FileDescriptor
	service string
}

// checkProtos checks that the protos do not conflict with those of other services. A
// gRPC service has one backend, and a path has one proto file, as has a name.
func (c *checker) checkProtos(owner map[protoreflect.FullName]string, known protos) {
	for _, service := range c.Services() {
		if other, ok := owner[service.FullName()]; ok {
			c.report("", "serves %s, which %s serves already; a gRPC service has one backend: list in the field serves what each of them serves", service.FullName(), other)
		}
		owner[service.FullName()] = c.Name
	}
	for _, own := range c.Protos {
		c.compare(own, known)
	}
	if len(c.Protos) > 0 && len(c.Services()) == 0 {
		c.report("", "has protos that declare no gRPC service")
	}
}

// compare finds files of one path that differ, and names that two files declare, among the file and
// its imports.
func (c *checker) compare(descriptor protoreflect.FileDescriptor, known protos) {
	other, seen := known.files[descriptor.Path()]
	if !seen {
		known.files[descriptor.Path()] = file{descriptor, c.Name}
		for _, name := range declared(descriptor) {
			if other, taken := known.names[name]; taken {
				c.report("", "declares %s in %s, as %s does in %s, and reflection and REST know a name once; give one of them another package", name, descriptor.Path(), other.service, other.Path())
				break
			}
			known.names[name] = file{descriptor, c.Name}
		}
		for i := range descriptor.Imports().Len() {
			c.compare(descriptor.Imports().Get(i).FileDescriptor, known)
		}
		return
	}
	if other.FileDescriptor != descriptor && !proto.Equal(protodesc.ToFileDescriptorProto(other), protodesc.ToFileDescriptorProto(descriptor)) {
		c.report("", "has another %s than %s, and reflection knows one file of a path; move it to a path of its own, such as %s/v1/", descriptor.Path(), other.service, c.Name)
	}
}

// declared returns the names that a file declares in its package. The values of an enum are beside it.
func declared(file protoreflect.FileDescriptor) []protoreflect.FullName {
	var names []protoreflect.FullName
	for i := range file.Messages().Len() {
		names = append(names, file.Messages().Get(i).FullName())
	}
	for i := range file.Enums().Len() {
		enum := file.Enums().Get(i)
		names = append(names, enum.FullName())
		for j := range enum.Values().Len() {
			names = append(names, enum.Values().Get(j).FullName())
		}
	}
	for i := range file.Extensions().Len() {
		names = append(names, file.Extensions().Get(i).FullName())
	}
	for i := range file.Services().Len() {
		names = append(names, file.Services().Get(i).FullName())
	}
	return names
}
