package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	fakeProject = "my-project"
	fakeNumber  = "123456789012"
)

type object = map[string]any

// fake is Google Cloud: it keeps what is made, by the rules of the reference of each
// REST API, and refuses in the form that Google does.
type fake struct {
	mu       sync.Mutex
	on       map[string]bool
	billing  bool
	buckets  map[string]object // of everybody
	rings    map[string]object
	keys     map[string]object
	denied   map[string]bool // permissions that the caller lacks
	polls    int             // of an operation, until it is done
	settling int             // calls of an API that are refused after it was enabled
	faults   map[string]int  // status by "METHOD path", once each
	regions  string          // in which an organization allows buckets; empty for all
	pending  []string
	asked    []string // "METHOD path" of each call that changes something
}

func newFake(t *testing.T) (*fake, string) {
	f := &fake{
		on: map[string]bool{"serviceusage.googleapis.com": true}, billing: true,
		buckets: map[string]object{}, rings: map[string]object{}, keys: map[string]object{},
		denied: map[string]bool{}, faults: map[string]int{},
	}
	mux := http.NewServeMux()
	handle := func(pattern, api, permission string, h func(http.ResponseWriter, *http.Request)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.admit(w, r, api, permission) {
				h(w, r)
			}
		})
	}
	handle("GET /v1/projects/{project}/services:batchGet", "serviceusage.googleapis.com", "serviceusage.services.get", f.batchGet)
	handle("POST /v1/projects/{project}/services:batchEnable", "serviceusage.googleapis.com", "serviceusage.services.enable", f.batchEnable)
	handle("GET /v1/operations/{id}", "serviceusage.googleapis.com", "", f.operation)
	handle("GET /b/{bucket}", storageAPI, "storage.buckets.get", f.getBucket)
	handle("POST /b", storageAPI, "storage.buckets.create", f.insertBucket)
	handle("PATCH /b/{bucket}", storageAPI, "storage.buckets.update", f.patchBucket)
	const place = "/v1/projects/{project}/locations/{location}/keyRings"
	handle("GET "+place+"/{ring}", kmsAPI, "cloudkms.keyRings.get", f.get(f.rings))
	handle("POST "+place, kmsAPI, "cloudkms.keyRings.create", f.createRing)
	handle("GET "+place+"/{ring}/cryptoKeys/{key}", kmsAPI, "cloudkms.cryptoKeys.get", f.get(f.keys))
	handle("POST "+place+"/{ring}/cryptoKeys", kmsAPI, "cloudkms.cryptoKeys.create", f.createKey)
	handle("PATCH "+place+"/{ring}/cryptoKeys/{key}", kmsAPI, "cloudkms.cryptoKeys.update", f.patchKey)
	handle("POST "+place+"/{ring}/cryptoKeys/{key}", kmsAPI, "", f.testPermissions)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return f, server.URL
}

// admit answers what Google's front ends refuse.
func (f *fake) admit(w http.ResponseWriter, r *http.Request, api, permission string) bool {
	call := r.Method + " " + r.URL.Path
	if r.Method != http.MethodGet && !strings.HasSuffix(call, ":testIamPermissions") {
		f.asked = append(f.asked, call)
	}
	if code, ok := f.faults[call]; ok {
		delete(f.faults, call)
		refuse(w, code, "The service is currently unavailable.", "")
		return false
	}
	if project := r.Header.Get("X-Goog-User-Project"); project != fakeProject {
		refuse(w, 403, fmt.Sprintf("Caller does not have required permission to use project %s. Grant the caller the roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use permission.", project), "USER_PROJECT_DENIED")
		return false
	}
	off := !f.on[api]
	if !off && f.settling > 0 && api != "serviceusage.googleapis.com" {
		f.settling--
		off = true
	}
	if off {
		refuse(w, 403, fmt.Sprintf("%s has not been used in project %s before or it is disabled. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.", api, fakeNumber), "SERVICE_DISABLED")
		return false
	}
	if f.denied[permission] {
		refuse(w, 403, fmt.Sprintf("Permission '%s' denied on resource (or it may not exist).", permission), "IAM_PERMISSION_DENIED")
		return false
	}
	return true
}

func refuse(w http.ResponseWriter, code int, message, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	answer(w, object{"error": object{"code": code, "message": message, "details": []object{
		{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"},
	}}})
}

func answer(w http.ResponseWriter, content any) { _ = json.NewEncoder(w).Encode(content) }

func body(r *http.Request) object {
	var content object
	_ = json.NewDecoder(r.Body).Decode(&content)
	return content
}

func (f *fake) batchGet(w http.ResponseWriter, r *http.Request) {
	var services []object
	for _, name := range r.URL.Query()["names"] {
		state := "DISABLED"
		api := name[strings.LastIndex(name, "/")+1:]
		if f.on[api] {
			state = "ENABLED"
		}
		parent := "projects/" + fakeNumber
		services = append(services, object{"name": parent + "/services/" + api, "parent": parent, "state": state})
	}
	answer(w, object{"services": services})
}

func (f *fake) batchEnable(w http.ResponseWriter, r *http.Request) {
	var request struct{ ServiceIds []string }
	_ = json.NewDecoder(r.Body).Decode(&request)
	if len(request.ServiceIds) == 0 || len(request.ServiceIds) > 20 {
		refuse(w, 400, "A single request can enable 1 to 20 services.", "")
		return
	}
	f.pending = request.ServiceIds
	answer(w, object{"name": "operations/acat.p2-" + fakeNumber + "-1"})
}

func (f *fake) operation(w http.ResponseWriter, r *http.Request) {
	op := object{"name": "operations/" + r.PathValue("id")}
	f.polls--
	switch {
	case f.polls > 0:
	case !f.billing && slices.Contains(f.pending, kmsAPI):
		op["done"] = true
		op["error"] = object{
			"code": 9, "message": "Billing account for project '" + fakeNumber + "' is not found. Billing must be enabled for activation of service(s) 'cloudkms.googleapis.com' to proceed.",
			"details": []object{{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "UREQ_PROJECT_BILLING_NOT_FOUND", "domain": "serviceusage.googleapis.com/billing-enabled"}},
		}
	default:
		op["done"] = true
		for _, api := range f.pending {
			f.on[api] = true
		}
	}
	answer(w, op)
}

func (f *fake) getBucket(w http.ResponseWriter, r *http.Request) {
	bucket, ok := f.buckets[r.PathValue("bucket")]
	switch {
	case !ok:
		refuse(w, 404, "The specified bucket does not exist.", "notFound")
	case bucket["secret"] == true:
		refuse(w, 403, "you@example.com does not have storage.buckets.get access to the Google Cloud Storage bucket. Permission 'storage.buckets.get' denied on resource (or it may not exist).", "forbidden")
	default:
		answer(w, bucket)
	}
}

// bucketNames matches the names allowed by "About Cloud Storage buckets", without dots.
var bucketNames = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$`)

func (f *fake) insertBucket(w http.ResponseWriter, r *http.Request) {
	request := body(r)
	name, _ := request["name"].(string)
	if r.URL.Query().Get("project") != fakeProject || !bucketNames.MatchString(name) {
		refuse(w, 400, "Invalid bucket name or project.", "invalid")
		return
	}
	if at := fmt.Sprint(request["location"]); f.regions != "" && at != f.regions {
		refuse(w, 412, fmt.Sprintf("'%s' violates constraint 'constraints/gcp.resourceLocations'", at), "conditionNotMet")
		return
	}
	if _, taken := f.buckets[name]; taken {
		refuse(w, 409, "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.", "conflict")
		return
	}
	f.buckets[name] = merge(newBucket(name, fakeNumber), request)
	f.buckets[name]["location"] = strings.ToUpper(fmt.Sprint(f.buckets[name]["location"]))
	answer(w, f.buckets[name])
}

// newBucket has Cloud Storage's defaults.
func newBucket(name, number string) object {
	return object{
		"name": name, "projectNumber": number, "location": "US",
		"iamConfiguration": object{"publicAccessPrevention": "inherited", "uniformBucketLevelAccess": object{"enabled": false}},
		"softDeletePolicy": object{"retentionDurationSeconds": "604800"},
	}
}

func (f *fake) patchBucket(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("bucket")
	f.buckets[name] = merge(f.buckets[name], body(r))
	answer(w, f.buckets[name])
}

// merge is JSON Merge Patch (RFC 7396).
func merge(target, patch object) object {
	merged := maps.Clone(target)
	if merged == nil {
		merged = object{}
	}
	for key, value := range patch {
		switch value := value.(type) {
		case nil:
			delete(merged, key)
		case object:
			inner, _ := merged[key].(object)
			merged[key] = merge(inner, value)
		default:
			merged[key] = value
		}
	}
	return merged
}

func (f *fake) get(all map[string]object) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/v1/")
		if found, ok := all[name]; ok {
			answer(w, found)
			return
		}
		refuse(w, 404, name+" not found.", "")
	}
}

func (f *fake) createRing(w http.ResponseWriter, r *http.Request) {
	create(w, r, f.rings, r.URL.Query().Get("keyRingId"), object{})
}

func create(w http.ResponseWriter, r *http.Request, all map[string]object, id string, content object) {
	name := strings.TrimPrefix(r.URL.Path, "/v1/") + "/" + id
	if _, taken := all[name]; taken || !regexp.MustCompile(`^[a-zA-Z0-9_-]{1,63}$`).MatchString(id) {
		refuse(w, 409, name+" already exists.", "")
		return
	}
	content["name"] = name
	all[name] = content
	answer(w, content)
}

// wrongRotation returns the rotation of a key if Cloud KMS's reference of CryptoKey does not
// allow it, and else "".
func wrongRotation(key object) string {
	period, err := time.ParseDuration(fmt.Sprint(key["rotationPeriod"]))
	next, err2 := time.Parse(time.RFC3339, fmt.Sprint(key["nextRotationTime"]))
	if err != nil || err2 != nil || period < 24*time.Hour || period > 876000*time.Hour || next.Before(time.Now()) {
		return fmt.Sprintf("rotationPeriod %v with nextRotationTime %v", key["rotationPeriod"], key["nextRotationTime"])
	}
	return ""
}

func (f *fake) createKey(w http.ResponseWriter, r *http.Request) {
	key := body(r)
	destroy, err := time.ParseDuration(fmt.Sprint(key["destroyScheduledDuration"]))
	valid := key["purpose"] == "ENCRYPT_DECRYPT" && wrongRotation(key) == ""
	if key["purpose"] == "ASYMMETRIC_SIGN" { // which has no rotation, and no primary version ("CryptoKey", Cloud KMS API)
		template, _ := key["versionTemplate"].(object)
		valid = key["rotationPeriod"] == nil && template["algorithm"] == "EC_SIGN_P256_SHA256"
	}
	if !valid || err != nil || destroy < 24*time.Hour || destroy > 120*24*time.Hour {
		refuse(w, 400, fmt.Sprintf("Invalid CryptoKey: %v", key), "")
		return
	}
	if _, ok := f.rings[strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v1/"), "/cryptoKeys")]; !ok {
		refuse(w, 404, "KeyRing not found.", "")
		return
	}
	if key["purpose"] == "ENCRYPT_DECRYPT" {
		key["primary"] = object{"name": "cryptoKeyVersions/1", "state": "ENABLED"}
	}
	create(w, r, f.keys, r.URL.Query().Get("cryptoKeyId"), key)
}

func (f *fake) patchKey(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/v1/")
	request := body(r)
	for key := range request {
		if !slices.Contains(strings.Split(r.URL.Query().Get("updateMask"), ","), key) {
			refuse(w, 400, key+" is not in updateMask.", "")
			return
		}
	}
	if wrong := wrongRotation(merge(f.keys[name], request)); wrong != "" {
		refuse(w, 400, wrong, "")
		return
	}
	f.keys[name] = merge(f.keys[name], request)
	answer(w, f.keys[name])
}

func (f *fake) testPermissions(w http.ResponseWriter, r *http.Request) {
	var request, granted struct {
		Permissions []string `json:"permissions"`
	}
	_ = json.NewDecoder(r.Body).Decode(&request)
	for _, permission := range request.Permissions {
		if !f.denied[permission] {
			granted.Permissions = append(granted.Permissions, permission)
		}
	}
	answer(w, granted)
}
