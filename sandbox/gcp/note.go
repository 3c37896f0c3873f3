package gcp

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
)

// A note describes what is attested. An occurrence is the attestation of one image: its payload
// and signatures ("projects.notes" and "projects.occurrences", Container Analysis API). Notes
// and occurrences of other kinds, such as vulnerabilities, are not emulated.
var (
	noteRule = &rule{
		kind: KindNote, name: "projects/{project}/notes/{name}",
		permissions: crud("containeranalysis.notes"),
		noun:        "note", check: checkNote, admit: admitNote,
	}
	occurrenceRule = &rule{
		kind: KindOccurrence, name: "projects/{project}/occurrences/{uuid}",
		permissions: verbs{ // to attach one to a note is a right on the note ("Access control", Artifact Analysis)
			VerbCreate: append(on(onProject, "containeranalysis.occurrences.create"), attach),
			VerbGet:    on(onObject, "containeranalysis.occurrences.get"),
			VerbUpdate: on(onObject, "containeranalysis.occurrences.update"),
			VerbDelete: on(onObject, "containeranalysis.occurrences.delete"),
		},
		noun: "occurrence", check: checkOccurrence, admit: admitOccurrence}
)

// attach is needed besides, to attest.
var attach = grant{permission: "containeranalysis.notes.attachOccurrence", on: func(call Call) string { return call.Config.str("noteName") }}

var noteName = regexp.MustCompile(`^projects/[^/]+/notes/[^/]+$`)

func checkNote(p Properties) []Violation {
	c := &checker{p: p}
	c.match("name", attestorID, "be letters, digits, periods, underscores and hyphens")
	if p.has("attestationAuthority") && p.object("attestationAuthority.hint").get("humanReadableName") == "" {
		c.wrong("attestationAuthority.hint.humanReadableName", "it is required")
	}
	return c.found
}

func admitNote(t *change) error {
	t.stamp("createTime")
	t.updated()
	t.complete(Properties{"kind": "ATTESTATION"}, nil)
	return nil
}

func checkOccurrence(p Properties) []Violation {
	c := &checker{p: p}
	c.match("noteName", noteName, "be projects/<project>/notes/<note>")
	c.base64("attestation.serializedPayload", p.str("attestation.serializedPayload"))
	for i, s := range p.objects("attestation.signatures") {
		path := fmt.Sprintf("attestation.signatures[%d]", i)
		c.base64(path+".signature", s.str("signature"))
		if id := s.str("publicKeyId"); id != "" && !isURI(id) {
			c.wrong(path+".publicKeyId", "%q is not a URI as in RFC 3986", id)
		}
	}
	if list, given := p.get("attestation.signatures").([]any); given && len(list) == 0 {
		c.wrong("attestation.signatures", "an attestation has one signature or more")
	}
	return c.found
}

func (c *checker) base64(property, text string) {
	if _, err := base64.StdEncoding.DecodeString(text); err != nil {
		c.wrong(property, "it is not Base64: %v", err)
	}
}

func admitOccurrence(t *change) error {
	if _, err := t.noteOf(t.new.Config.str("noteName")); err != nil {
		return err
	}
	t.stamp("createTime")
	t.updated()
	t.complete(Properties{"name": t.new.last(), "kind": "ATTESTATION"}, nil)
	return nil
}

// noteOf returns the note with this name. A note of the same project may be named by its ID alone.
func (t *change) noteOf(reference string) (*Object, error) {
	if !strings.Contains(reference, "/") {
		reference = "projects/" + t.new.project() + "/notes/" + reference
	}
	return t.existingOf(KindNote, reference)
}
