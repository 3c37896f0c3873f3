package preview

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// concern describes something that a reviewer should look at first.
type concern struct {
	title string
	// about holds lines of Markdown.
	about []string
}

// concerns returns the concerns about the changes, the gravest first.
func concerns(steps []step, commits func(image string) []string) []concern {
	all := []concern{
		{title: "Deleted or replaced, with what it holds"},
		{title: "What can be reached from outside"},
		{title: "Rights that grow"},
		{title: "Images"},
	}
	for _, s := range steps {
		for i, find := range []func(step) []string{lost, surface, rights, func(s step) []string { return images(s, commits) }} {
			all[i].about = append(all[i].about, find(s)...)
		}
	}
	return slices.DeleteFunc(all, func(c concern) bool { return len(c.about) == 0 })
}

// stateful matches the types that hold something which creating them again does not
// bring back: data, an address, a name, or everything that runs in them.
var stateful = regexp.MustCompile(`^(` + strings.Join([]string{
	`gcp:compute/(network|subnetwork|address|globalAddress|disk):.*`,
	`gcp:container/cluster:.*`,
	`gcp:artifactregistry/repository:.*`,
	`gcp:kms/(keyRing|cryptoKey):.*`,
	`gcp:(sql|storage|spanner|bigtable|firestore|redis|dns|secretmanager|filestore|pubsub)/.*`,
	`kubernetes:core/v1:(Namespace|PersistentVolume|PersistentVolumeClaim)`,
	`kubernetes:apps/v1:StatefulSet`,
	`tls:index/privateKey:.*`,
}, "|") + `)$`)

// lost describes what is deleted, also if it is replaced.
func lost(s step) []string {
	protected := s.Old != nil && s.Old.Protect
	if s.Op != "delete" && s.Op != "replace" || !stateful.MatchString(s.state().Type) && !protected {
		return nil
	}
	line := fmt.Sprintf("**%s** %s", s.Op, code(s.name()))
	if len(s.ReplaceReasons) > 0 {
		line += ", because of " + codes(s.ReplaceReasons)
	}
	if protected {
		line += "; it is protected, so `pulumi up` will refuse"
	}
	return []string{line}
}

// public lists the properties, by type, that determine who can reach what.
var public = []struct{ kind, path *regexp.Regexp }{
	{regexp.MustCompile(`^gcp:compute/(firewall|forwardingRule|globalForwardingRule|address|globalAddress|route|routerNat):`), regexp.MustCompile(``)},
	{regexp.MustCompile(`^gcp:container/cluster:`), regexp.MustCompile(`^(masterAuthorizedNetworksConfig|privateClusterConfig|controlPlaneEndpointsConfig)\b`)},
	{regexp.MustCompile(`^kubernetes:core/v1:Service$`), regexp.MustCompile(`^spec\.(type|ports|externalIPs|loadBalancer\w*|externalTrafficPolicy)\b|^metadata\.annotations`)},
	{regexp.MustCompile(`^kubernetes:networking\.k8s\.io/v1:NetworkPolicy$`), regexp.MustCompile(`^spec\.`)},
	{regexp.MustCompile(`^kubernetes:(networking\.k8s\.io/v1:Ingress|gateway\.networking\.k8s\.io/)`), regexp.MustCompile(``)},
	// Envoy's routes, and who may call them.
	{regexp.MustCompile(`^kubernetes:core/v1:ConfigMap$`), regexp.MustCompile(`envoy\.yaml`)},
}

// surface describes changes of who can reach what. It ignores a Service inside the
// cluster.
func surface(s step) []string {
	kind := s.state().Type
	if kind == "kubernetes:core/v1:Service" && !isLoadBalancer(s.Old) && !isLoadBalancer(s.New) {
		return nil
	}
	for _, rule := range public {
		if !rule.kind.MatchString(kind) {
			continue
		}
		var paths []string
		for _, p := range s.properties() {
			if rule.path.MatchString(p.path) {
				paths = append(paths, p.path)
			}
		}
		if len(paths) > 0 || s.Op == "replace" && (rule.path.String() == "" || isLoadBalancer(s.Old)) {
			return []string{about(s, paths)}
		}
	}
	return nil
}

func isLoadBalancer(s *state) bool {
	if s == nil {
		return false
	}
	spec, _ := s.Inputs["spec"].(map[string]any)
	return spec["type"] == "LoadBalancer"
}

// about names the change and, of an update or a replacement, its properties.
func about(s step, paths []string) string {
	line := fmt.Sprintf("%s %s", s.Op, code(s.name()))
	if len(paths) > 0 && (s.Op == "update" || s.Op == "replace") {
		line += ": " + codes(paths)
	}
	return line
}

// grants lists the types whose creation grants rights, and the properties with the rights.
var grants = []struct{ kind, path *regexp.Regexp }{
	{regexp.MustCompile(`^gcp:.*(IamMember|IAMMember|IamBinding|IAMBinding|IamPolicy|IAMPolicy)$`), regexp.MustCompile(`^(role|member|members|bindings|condition|policyData)\b`)},
	{regexp.MustCompile(`^gcp:.*IAMCustomRole$`), regexp.MustCompile(`^permissions\b`)},
	{regexp.MustCompile(`^kubernetes:rbac\.authorization\.k8s\.io/`), regexp.MustCompile(`^(rules|subjects|roleRef)\b`)},
	{regexp.MustCompile(`^kubernetes:core/v1:Namespace$`), regexp.MustCompile(`pod-security`)},
	{regexp.MustCompile(`^kubernetes:(apps|batch)/`), regexp.MustCompile(`securityContext|hostPath|hostNetwork|hostPID|hostIPC|automountServiceAccountToken|serviceAccountName`)},
}

// rights describes rights that are granted. Taking rights away is no concern. A change
// may do either, and is shown.
func rights(s step) []string {
	if s.Op == "delete" {
		return nil
	}
	workload := strings.HasPrefix(s.state().Type, "kubernetes:apps/")
	for _, rule := range grants {
		if !rule.kind.MatchString(s.state().Type) {
			continue
		}
		var paths []string
		for _, p := range s.properties() {
			if rule.path.MatchString(p.path) && p.new != nil {
				paths = append(paths, p.path)
			}
		}
		if len(paths) == 0 || workload && s.Op != "update" {
			continue // a new workload's settings are checked by the policies at preview
		}
		line := about(s, paths)
		if role, ok := s.state().Inputs["role"].(string); ok {
			line += ": " + code(role) + " to " + code(harmless(fmt.Sprint(s.state().Inputs["member"])))
		}
		return []string{line}
	}
	return nil
}

// image matches the name and the digest of a reference.
var image = regexp.MustCompile(`([^/]+)@sha256:([0-9a-f]{12})[0-9a-f]*$`)

// images describes which images change, and which commits made them.
func images(s step, commits func(name string) []string) []string {
	if s.Op != "update" && s.Op != "replace" {
		return nil
	}
	var lines []string
	for _, p := range s.properties() {
		if !strings.HasSuffix(p.path, ".image") || p.old == nil || p.new == nil {
			continue
		}
		before, after := image.FindStringSubmatch(*p.old), image.FindStringSubmatch(*p.new)
		if before == nil || after == nil {
			lines = append(lines, fmt.Sprintf("%s: %s becomes %s", code(s.name()), code(*p.old), code(*p.new)))
			continue
		}
		lines = append(lines, fmt.Sprintf("%s: %s becomes %s", code(after[1]), code(before[2]), code(after[2])))
		for _, commit := range commits(after[1]) {
			lines = append(lines, "  - "+commit)
		}
	}
	return lines
}
