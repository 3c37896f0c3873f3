package catalog

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"example.com/grpc-edge/services/catalog/decode"
)

// stackKey is the key of the stack that overrides service.yaml.
const stackKey = "grpc-edge:services"

// Spec describes the needs of a service: the fields of service.yaml and of each service
// in the stack's key `services`. Every field is optional.
type Spec struct {
	// Image is the reference, by digest, of an image built elsewhere:
	// REGISTRY/PATH@sha256:…; empty for the Go module in the service's folder.
	Image string `json:"image"`
	// Command replaces the ENTRYPOINT of an image built elsewhere, and its CMD. Args replaces
	// its CMD alone. Empty ones leave them as they are.
	Command []string `json:"command"`
	Args    []string `json:"args"`
	// Private hides the service from the edge: it is not routed, described or
	// documented there. Only the services that call it reach it.
	Private bool `json:"private"`
	// Serves lists the gRPC services that it serves, by their full names, of those in its
	// protos; empty for all. The others are called, or are served elsewhere.
	Serves []string `json:"serves"`

	// CPU is the CPU request, in cores or thousandths, such as 50m. A pod may use spare
	// CPU of its node, up to CPULimit; an empty CPULimit is no limit.
	CPU      string `json:"cpu"`
	CPULimit string `json:"cpuLimit"`
	// Memory is the memory request, in Ki, Mi or Gi. A pod that uses more than
	// MemoryLimit is killed. MemoryLimit defaults to twice the request.
	Memory      string `json:"memory"`
	MemoryLimit string `json:"memoryLimit"`
	// Replicas is the number of pods, or with ReplicasMax the minimum. Above an average
	// CPU use of ScaleAtCPUMillicores pods are added, up to ReplicasMax. With a
	// ReplicasMax of 0 there are always Replicas pods.
	Replicas             int `json:"replicas"`
	ReplicasMax          int `json:"replicasMax"`
	ScaleAtCPUMillicores int `json:"scaleAtCpuMillicores"`
	// MaxCalls is the maximum number of concurrent unary calls in a pod; 0 is no limit.
	MaxCalls int `json:"maxCalls"`
	// MinReadySeconds is the time that a new pod is ready before an old one may stop.
	MinReadySeconds int `json:"minReadySeconds"`
	// TerminationSeconds is the time that a pod has to stop.
	TerminationSeconds int `json:"terminationSeconds"`
	// StartupSeconds is the time that a pod has to become healthy after its start,
	// before liveness counts.
	StartupSeconds int `json:"startupSeconds"`

	// Environment holds variables in the clear.
	Environment map[string]string `json:"environment"`
	// Files holds files of the service's folder, by their path in the container.
	Files map[string]string `json:"files"`
	// Secrets holds secret values, by the name of the variable for each.
	Secrets map[string]Secret `json:"secrets"`
	// Scratch holds the size limits of writable folders, by their path in the container.
	// The folders are empty when a pod starts.
	Scratch map[string]string `json:"scratch"`
	// Roles lists Google Cloud roles that only this service's pods have.
	Roles []Role `json:"roles"`

	// Calls lists the services that this one calls.
	Calls []string `json:"calls"`
	// Egress allows connections to addresses outside the cluster.
	Egress []Egress `json:"egress"`
	// GoogleAPIs allows connections to Google's APIs over Private Google Access.
	GoogleAPIs bool `json:"googleApis"`
	// Internet allows connections to every public address: of IPv4 through Cloud NAT, and in
	// a dual-stack cluster of IPv6.
	Internet bool `json:"internet"`
}

// Secret describes a secret value. It comes from the encrypted configuration of the
// stack, or from a version of a secret in Secret Manager.
type Secret struct {
	// Value is the value itself, which only the stack's key may hold.
	Value string `json:"value"`
	// Version is the resource name of the version: projects/PROJECT/secrets/NAME/versions/NUMBER,
	// or NAME/NUMBER for a secret of the stack's own project.
	Version string `json:"version"`
	// File is the path in the container of a file with the value; empty for a variable.
	File string `json:"file"`
}

// Role describes an IAM role in the stack's project.
type Role struct {
	// Role is its name, such as roles/secretmanager.secretAccessor.
	Role string `json:"role"`
	// Condition is an expression of IAM Conditions that restricts the role, such as
	// resource.name.endsWith("/secrets/db-password/versions/3"); empty for none.
	Condition string `json:"condition"`
}

// UnmarshalText accepts just the name of a role.
func (r *Role) UnmarshalText(text []byte) error {
	r.Role = string(text)
	return nil
}

// Egress describes a range of addresses and the TCP ports that may be reached there.
type Egress struct {
	CIDR  string `json:"cidr"`
	Ports []int  `json:"ports"`
}

// TargetVariable returns the variable that holds the target of a service for those
// that call it, such as REVERSE_TARGET.
func TargetVariable(callee string) string {
	return strings.ToUpper(strings.ReplaceAll(callee, "-", "_")) + "_TARGET"
}

// MemoryLimitBytes returns the memory limit of a pod, in bytes.
func (s Spec) MemoryLimitBytes() int64 {
	limit, err := Bytes(s.MemoryLimit)
	if err != nil {
		request, _ := Bytes(s.Memory) // checked
		limit = 2 * request
	}
	return limit
}

// Parts returns the project, the name and the version of a secret in Secret Manager,
// with the project of the stack where it names none.
func (s Secret) Parts(project string) (secretProject, name, version string) {
	parts := versionPattern.FindStringSubmatch(s.Version)
	switch {
	case parts == nil:
		return "", "", ""
	case parts[1] != "":
		return parts[1], parts[2], parts[3]
	}
	return project, parts[4], parts[5]
}

// fill sets the fields that service.yaml or the override has.
func (s *Service) fill(content []byte, override any) []Problem {
	declared := map[string]any{}
	if err := yaml.Unmarshal(content, &declared); err != nil {
		return []Problem{{s.At(""), "cannot be read: " + strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	if value, ok := hasValue(declared); ok {
		return []Problem{{s.At(value), "is a secret in the clear; remove it, and set it with: pulumi config set --secret --path '" + stackKey + "." + s.Name + "." + value + "' VALUE"}}
	}
	over, ok := override.(map[string]any)
	if override != nil && !ok {
		return []Problem{{stackKey + "." + s.Name, "must be an object with fields of service.yaml"}}
	}
	s.overridden = over
	merged := merge(declared, over)
	s.given = map[string]bool{}
	var problems []Problem
	for _, key := range slices.Sorted(maps.Keys(merged)) {
		if merged[key] == nil {
			continue // a key without a value, as in `calls:`
		}
		s.given[key] = true
		problems = append(problems, s.set(key, merged[key])...)
	}
	return problems
}

// set decodes one value into its field, and returns what is wrong with it. The field of a wrong
// value keeps its default, so that no other check reports the value once more.
func (s *Service) set(key string, value any) []Problem {
	names, fields := decode.Fields(reflect.TypeFor[Spec]())
	i := slices.Index(names, key)
	if i < 0 {
		return []Problem{{s.At(key), decode.Unknown(key, names)}}
	}
	var problems []Problem
	field := reflect.New(fields[i].Type)
	decode.Value("", value, field.Interface(), func(path, message string) {
		problems = append(problems, Problem{s.At(key) + path, message})
	})
	if len(problems) > 0 {
		return problems
	}
	reflect.ValueOf(&s.Spec).Elem().FieldByIndex(fields[i].Index).Set(field.Elem())
	return nil
}

// Keys lists the keys of service.yaml.
func Keys() []string {
	names, _ := decode.Fields(reflect.TypeFor[Spec]())
	return names
}

// At returns the place of a key's value: the stack if it overrides the key, otherwise
// service.yaml.
func (s *Service) At(key string) string {
	if _, ok := s.overridden[strings.SplitN(key, ".", 2)[0]]; ok && key != "" {
		return stackKey + "." + s.Name + "." + key
	}
	return strings.TrimSuffix(Dir+"/"+s.Name+"/"+SpecFile+" "+key, " ")
}

// hasValue reports whether a secret in service.yaml has its value there.
func hasValue(declared map[string]any) (key string, found bool) {
	secrets, _ := declared["secrets"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		secret, _ := secrets[name].(map[string]any)
		if secret["value"] != nil {
			return "secrets." + name + ".value", true
		}
	}
	return "", false
}

// merge returns base overridden by over: objects key by key, other values as a whole.
func merge(base, over map[string]any) map[string]any {
	merged := maps.Clone(base)
	if merged == nil {
		merged = map[string]any{}
	}
	for key, value := range over {
		inner, isObject := value.(map[string]any)
		below, wasObject := merged[key].(map[string]any)
		if isObject && wasObject {
			value = merge(below, inner)
		}
		merged[key] = value
	}
	return merged
}

func oneOf(names []string) string {
	if len(names) == 0 {
		return "there is none"
	}
	return "it must be one of " + strings.Join(names, ", ")
}
