package preview

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// property describes a changed leaf of a resource's inputs. A missing side is nil.
type property struct {
	path     string
	old, new *string
}

// properties returns the leaves that differ, in the order of their paths.
func (s step) properties() []property {
	before, after := map[string]string{}, map[string]string{}
	if s.Old != nil {
		flatten(before, "", s.Old.Inputs)
	}
	if s.New != nil {
		flatten(after, "", s.New.Inputs)
	}
	paths := slices.Sorted(maps.Keys(before))
	for path := range after {
		if _, both := before[path]; !both {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	var changed []property
	for _, path := range paths {
		p := property{path: path}
		if value, ok := before[path]; ok {
			p.old = &value
		}
		if value, ok := after[path]; ok {
			p.new = &value
		}
		if p.old == nil || p.new == nil || *p.old != *p.new {
			changed = append(changed, p)
		}
	}
	return changed
}

// Pulumi's marks in JSON: of a value that is not known yet (resource.UnknownStringValue),
// of a secret (resource.SigKey, with resource.SecretSig), and of the names of inputs
// that the provider chose.
const (
	unknownMark  = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
	signatureKey = "4dabf18193072939515e22adb298388d"
	defaultsKey  = "__defaults"
)

const (
	unknown = "(known after up)"
	secret  = "[secret]"
)

func flatten(into map[string]string, path string, value any) {
	switch value := value.(type) {
	case map[string]any:
		if _, marked := value[signatureKey]; marked {
			into[path] = secret
			return
		}
		for key, child := range value {
			if key != defaultsKey {
				flatten(into, join(path, key), child)
			}
		}
	case []any:
		for i, child := range value {
			flatten(into, fmt.Sprintf("%s[%d]", path, i), child)
		}
	case nil:
	default:
		into[path] = harmless(fmt.Sprint(value))
	}
}

// join writes paths as Pulumi does: a key with a dot is in brackets.
func join(path, key string) string {
	if strings.ContainsAny(key, `."[]/`) {
		return fmt.Sprintf("%s[%q]", path, key)
	}
	return strings.TrimPrefix(path+"."+key, ".")
}

// secrets matches text that looks like a secret in the clear: a PEM private key, Google's
// access tokens, and a signed JSON Web Token (RFC 7519).
var secrets = regexp.MustCompile(`PRIVATE KEY|ya29\.|oauth2accesstoken|eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+`)

func harmless(text string) string {
	if secrets.MatchString(text) {
		return secret
	}
	return strings.ReplaceAll(text, unknownMark, unknown)
}
