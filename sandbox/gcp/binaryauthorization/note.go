package binaryauthorization

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"

	"example.com/grpc-edge/sandbox/gcp"
)

// A note describes what is attested. An occurrence is the attestation of one image: its payload
// and signatures ("projects.notes" and "projects.occurrences", Container Analysis API). Notes
// and occurrences of other kinds, such as vulnerabilities, are not emulated.
var (
	noteResource = &gcp.Resource{
		Kind: KindNote, Noun: "note", Name: "projects/{project}/notes/{name}",
		Permissions: gcp.CRUD("containeranalysis.notes"),
		Check:       checkNote, Admit: admitNote,
	}
	occurrenceResource = &gcp.Resource{
		Kind: KindOccurrence, Noun: "occurrence", Name: "projects/{project}/occurrences/{uuid}",
		Permissions: gcp.Verbs{ // to attach one to a note is a right on the note ("Access control", Artifact Analysis)
			gcp.VerbCreate: append(gcp.On(gcp.OnProject, "containeranalysis.occurrences.create"), attach),
			gcp.VerbGet:    gcp.On(gcp.OnObject, "containeranalysis.occurrences.get"),
			gcp.VerbUpdate: gcp.On(gcp.OnObject, "containeranalysis.occurrences.update"),
			gcp.VerbDelete: gcp.On(gcp.OnObject, "containeranalysis.occurrences.delete"),
		},
		Check: checkOccurrence, Admit: admitOccurrence,
	}
)

// attach is also needed to attest.
var attach = gcp.Grant{Permission: "containeranalysis.notes.attachOccurrence", On: func(call gcp.Call) string { return call.Config.Text("noteName") }}

var noteName = regexp.MustCompile(`^projects/[^/]+/notes/[^/]+$`)

func checkNote(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Match("name", attestorID, "be letters, digits, periods, underscores and hyphens")
	if p.Has("attestationAuthority") && p.Object("attestationAuthority.hint").Get("humanReadableName") == "" {
		c.Wrong("attestationAuthority.hint.humanReadableName", "it is required")
	}
	return c.Found
}

func admitNote(t *gcp.Change) error {
	t.Stamp("createTime")
	t.Updated()
	t.Complete(gcp.Properties{"kind": "ATTESTATION"}, nil)
	return nil
}

func checkOccurrence(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Match("noteName", noteName, "be projects/<project>/notes/<note>")
	checkBase64(c, "attestation.serializedPayload", p.Text("attestation.serializedPayload"))
	for i, s := range p.Objects("attestation.signatures") {
		path := fmt.Sprintf("attestation.signatures[%d]", i)
		checkBase64(c, path+".signature", s.Text("signature"))
		if id := s.Text("publicKeyId"); id != "" && !isURI(id) {
			c.Wrong(path+".publicKeyId", "%q is not a URI as in RFC 3986", id)
		}
	}
	if list, given := p.Get("attestation.signatures").([]any); given && len(list) == 0 {
		c.Wrong("attestation.signatures", "an attestation has one signature or more")
	}
	return c.Found
}

func checkBase64(c *gcp.Checker, property, text string) {
	if _, err := base64.StdEncoding.DecodeString(text); err != nil {
		c.Wrong(property, "it is not Base64: %v", err)
	}
}

func admitOccurrence(t *gcp.Change) error {
	if _, err := noteOf(t, t.New.Config.Text("noteName")); err != nil {
		return err
	}
	t.Stamp("createTime")
	t.Updated()
	t.Complete(gcp.Properties{"name": t.New.ID(), "kind": "ATTESTATION"}, nil)
	return nil
}

// noteOf returns the note with this name. A note of the same project may be named by its ID alone.
func noteOf(t *gcp.Change, reference string) (*gcp.Object, error) {
	if !strings.Contains(reference, "/") {
		reference = "projects/" + t.New.Project() + "/notes/" + reference
	}
	return t.ExistingOf(KindNote, reference)
}
