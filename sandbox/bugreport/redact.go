package bugreport

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const hidden = "[redacted]"

// looksSecret matches text that looks like a secret. The text of a pattern's first group stays.
var looksSecret = []*regexp.Regexp{
	// Keys in PEM, even inside a JSON string, and even if the end is cut off.
	regexp.MustCompile(`(?s)()-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)`),
	regexp.MustCompile(`()\bya29\.[A-Za-z0-9_.-]+`), // access tokens
	regexp.MustCompile(`()\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`),
	regexp.MustCompile(`()\bv[0-9]:[A-Za-z0-9+/=]{12,}:[A-Za-z0-9+/=]+`), // Pulumi's encrypted values and salts
	regexp.MustCompile(`(?i)(\b(?:bearer|basic)\s+)[A-Za-z0-9+/=_.~-]{8,}`),
	regexp.MustCompile(`(?i)(://[^\s/:@"]+:)[^\s/@"]+@`),
	regexp.MustCompile(`(?i)(\b[a-z_-]*(?:password|passwd|passphrase|secret|token|api_?key|private_?key|client-key-data|salt)\b\\?["']?\s*[:=]\s*\\?["']?)[^\s"',;}\\]+`),
}

// secretKey matches the keys of JSON whose values are left out, whatever they are.
var secretKey = regexp.MustCompile(`(?i)(password|passphrase|secret(data|value)|token|private_?key|keypem|ciphertext|plaintext|encryptedkey|salt|sensitivelabels|kubeconfig|client_?key)`)

// secretMark is the key by which Pulumi marks a secret in its state (sdk/go/common/resource/sig).
const secretMark = "4dabf18193072939515e22adb298388d"

// redactor hides the secrets of a sandbox.
type redactor struct{ secrets []string }

// newRedactor reads the secrets of a sandbox, to find them wherever they occur.
func newRedactor(state string) (redactor, error) {
	var r redactor
	for _, folder := range []string{"credentials", "cloud/secrets", "cloud/keys"} {
		err := filepath.WalkDir(filepath.Join(state, folder), func(file string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			text, err := os.ReadFile(file)
			r.add(string(text))
			return err
		})
		if err != nil {
			return r, err
		}
	}
	// A longer secret may contain a shorter one.
	slices.SortFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
	return r, nil
}

// add takes a file with a secret, or with a secret in each line or field.
func (r *redactor) add(text string) {
	for _, secret := range append(strings.FieldsFunc(text, func(c rune) bool { return c == '\n' || c == ',' }), text) {
		secret = strings.TrimSpace(secret)
		if len(secret) < 4 || strings.HasPrefix(secret, "-----") || strings.Contains(secret, "@") || strings.HasPrefix(secret, `"system:`) {
			continue // would hide what is not secret: lines around keys, accounts and groups
		}
		r.secrets = append(r.secrets, secret, base64.StdEncoding.EncodeToString([]byte(secret)))
	}
}

// redact returns a text without its secrets.
func (r redactor) redact(name string, text []byte) []byte {
	if strings.HasSuffix(name, ".json") {
		text = redactJSON(text)
	}
	for _, secret := range r.secrets {
		text = bytes.ReplaceAll(text, []byte(secret), []byte(hidden))
	}
	for _, pattern := range looksSecret {
		text = pattern.ReplaceAll(text, []byte("${1}"+hidden))
	}
	return text
}

// redactJSON leaves out the values of secret keys. It leaves text that is not JSON to the patterns.
func redactJSON(text []byte) []byte {
	var value any
	if json.Unmarshal(text, &value) != nil {
		return text
	}
	clean, err := json.MarshalIndent(redactValue(value), "", "  ")
	if err != nil {
		return []byte(hidden)
	}
	return clean
}

func redactValue(value any) any {
	switch v := value.(type) {
	case map[string]any:
		if _, marked := v[secretMark]; marked {
			return hidden
		}
		for key := range v {
			if _, text := v[key].(string); text && secretKey.MatchString(key) {
				v[key] = hidden
				continue
			}
			v[key] = redactValue(v[key])
		}
	case []any:
		for i := range v {
			v[i] = redactValue(v[i])
		}
	case string: // such as the outputs of a resource, JSON in JSON
		if strings.HasPrefix(v, "{") {
			return string(redactJSON([]byte(v)))
		}
	}
	return value
}
