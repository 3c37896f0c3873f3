package gcp

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Place is the default place of an object whose description gives none.
type Place struct{ Project, Region, Zone string }

// projectID matches a project's ID ("Creating and managing projects").
var projectID = regexp.MustCompile(`^[a-z][-a-z0-9]{4,28}[a-z0-9]$`)

// variable matches a part of the form of a name: a property and, for a location, its default if
// that is not the region.
var variable = regexp.MustCompile(`\{\w+(:\w+)?\}`)

// locate returns the name of an object and the parts of it that are its place,
// which become outputs.
func (c *Cloud) locate(kind Kind, at Place, p Properties) (string, Properties, error) {
	pattern, place := c.resource(kind).Name, Properties{}
	var problem error
	name := variable.ReplaceAllStringFunc(pattern, func(v string) string {
		key, fallback, _ := strings.Cut(strings.Trim(v, "{}"), ":")
		value, err := resolve(key, fallback, at, p)
		if err != nil && problem == nil {
			problem = err
		}
		switch key {
		case "project", "region", "location":
			place[key] = value
		case "projectNumber":
			place["project"] = value
			return ProjectNumber(value)
		}
		return value
	})
	return name, place, problem
}

// resolve finds the value of one variable of a name.
func resolve(key, fallback string, at Place, p Properties) (string, error) {
	switch key {
	case "project", "projectNumber":
		return project(at, p)
	case "uuid": // given by the API, as the next one is
		return uuid.NewString(), nil
	case "number":
		return RandomDigits(19), nil
	case "region":
		return region(cmp.Or(p.Text("region"), at.Region))
	case "location":
		if fallback == "zone" {
			fallback = at.Zone
		}
		return location(cmp.Or(p.Text("location"), Segment(p.Text("cluster"), "locations"),
			Segment(p.Text("repository"), "locations"), fallback, at.Region))
	case "email":
		return fmt.Sprintf("%s@%s.iam.gserviceaccount.com", p.Text("accountId"), cmp.Or(p.Text("project"), at.Project)), nil
	case "member": // bindings of a role that differ in their conditions are not the same
		if condition := p.Object("condition"); condition != nil {
			return strings.Join([]string{p.Text(key), condition.Text("title"), condition.Text("description"), condition.Text("expression")}, "/"), nil
		}
	case "account":
		return LastSegment(p.Text("serviceAccountId")), nil
	case "router", "cluster", "repository":
		return LastSegment(p.Text(key)), nil
	}
	if p.Text(key) == "" {
		return "", BadRequest("Required field 'resource.%s' not specified", key)
	}
	return p.Text(key), nil
}

func project(at Place, p Properties) (string, error) {
	id := strings.TrimPrefix(cmp.Or(p.Text("project"), Segment(p.Text("cluster"), "projects"),
		Segment(p.Text("serviceAccountId"), "projects"), Segment(p.Text("repository"), "projects"), at.Project), "projects/")
	if id == "" {
		return "", BadRequest("project: required field is not set. Set it on the resource, or `gcp:project` in the stack's config")
	}
	if !projectID.MatchString(id) {
		return "", BadRequest("Invalid project ID %q: it must be 6-30 lowercase letters, digits and hyphens, "+
			"starting with a letter and not ending with a hyphen", id)
	}
	return id, nil
}

// zones maps regions to the last letters of their zones ("Regions and zones", Compute Engine
// documentation). Regions that are not listed have a, b and c.
var zones = map[string]string{
	"us-central1": "abcf", "us-east1": "bcd", "europe-west1": "bcd",
}

// regionNames lists the regions that exist ("Regions and zones").
var regionNames = strings.Fields(`
	africa-south1 asia-east1 asia-east2 asia-northeast1 asia-northeast2 asia-northeast3 asia-south1 asia-south2
	asia-southeast1 asia-southeast2 australia-southeast1 australia-southeast2 europe-central2 europe-north1
	europe-north2 europe-southwest1 europe-west1 europe-west10 europe-west12 europe-west2 europe-west3 europe-west4
	europe-west6 europe-west8 europe-west9 me-central1 me-central2 me-west1 northamerica-northeast1
	northamerica-northeast2 northamerica-south1 southamerica-east1 southamerica-west1 us-central1 us-east1 us-east4
	us-east5 us-south1 us-west1 us-west2 us-west3 us-west4`)

// multiRegions lists the multi-regional locations of Artifact Registry ("Repository locations").
var multiRegions = []string{"us", "europe", "asia"}

// RegionZones returns the zones of a region; none if there is no such region.
func RegionZones(region string) []string {
	if !slices.Contains(regionNames, region) {
		return nil
	}
	var names []string
	for _, letter := range cmp.Or(zones[region], "abc") {
		names = append(names, region+"-"+string(letter))
	}
	return names
}

// RegionOf returns the region that a zone or region is in, or "".
func RegionOf(location string) string {
	if slices.Contains(regionNames, location) {
		return location
	}
	if i := strings.LastIndex(location, "-"); i > 0 && slices.Contains(RegionZones(location[:i]), location) {
		return location[:i]
	}
	return ""
}

func region(value string) (string, error) {
	name := LastSegment(value)
	if name == "" {
		return "", BadRequest("region: required field is not set. Set it on the resource, or `gcp:region` in the stack's config")
	}
	if !slices.Contains(regionNames, name) {
		return "", Invalid("region", name, "Unknown region.")
	}
	return name, nil
}

func location(name string) (string, error) {
	if name == "" {
		return "", BadRequest("location: required field is not set. Set it on the resource, or `gcp:region` in the stack's config")
	}
	if RegionOf(name) == "" && !slices.Contains(multiRegions, name) {
		return "", BadRequest("Location %q does not exist.", name)
	}
	return name, nil
}

// LastSegment returns what follows the last slash.
func LastSegment(s string) string { return s[strings.LastIndex(s, "/")+1:] }
