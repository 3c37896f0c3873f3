package attestation

import (
	"encoding/json"

	"github.com/google/go-containerregistry/pkg/name"
)

// payload is the document that is signed ("Create attestations", Binary Authorization).
type payload struct {
	Critical critical `json:"critical"`
}

type critical struct {
	Identity struct {
		Reference string `json:"docker-reference"`
	} `json:"identity"`
	Image struct {
		Digest string `json:"docker-manifest-digest"`
	} `json:"image"`
	Type string `json:"type"`
}

// payloadOf returns the payload for an image. It is deterministic.
func payloadOf(image name.Digest) ([]byte, error) {
	var p payload
	p.Critical.Identity.Reference = image.Context().Name()
	p.Critical.Image.Digest = image.DigestStr()
	p.Critical.Type = "Google cloud binauthz container signature"
	return json.Marshal(p)
}
