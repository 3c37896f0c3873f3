package gcp

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"example.com/grpc-edge/internal/wholefile"
)

// Fault makes calls fail, or operations take long.
type Fault struct {
	// Answer is the answer that a call gets, one of [Answers].
	Answer string `json:"answer"`
	// Kind, such as Network, Verb and Name select the calls. Name may have the wildcards of
	// path.Match and is compared with the last part of the object's name. An empty field matches
	// all.
	Kind string `json:"kind,omitempty"`
	Verb Verb   `json:"verb,omitempty"`
	Name string `json:"name,omitempty"`
	// Count is the number of calls that the fault still strikes; 0 means all, until it is cleared.
	Count int `json:"count,omitempty"`
	// Seconds is the time that the answer slow adds to an operation.
	Seconds int `json:"seconds,omitempty"`
}

// These faults strike an operation after its call was accepted. All others are answers to calls.
const (
	answerSlow   = "slow"
	answerFailed = "failed"
)

// answers holds the errors that calls get, in Google's words ("Error messages" of Compute
// Engine's troubleshooting pages; "Errors", API design guide, for 429, 500 and 503).
var answers = map[string]func(c *Cloud, call Call) error{
	"rate-limit": func(_ *Cloud, call Call) error {
		return &Error{Code: 429, Reason: "rateLimitExceeded", Message: fmt.Sprintf("Quota exceeded for quota metric 'Queries' and limit "+
			"'Queries per minute' of service '%s' for consumer 'project_number:%s'.", call.Kind.API(), ProjectNumber(Segment(call.Name, "projects")))}
	},
	"internal": func(*Cloud, Call) error {
		return &Error{Code: 500, Reason: "backendError", Message: "Internal error encountered."}
	},
	"unavailable": func(*Cloud, Call) error {
		return &Error{Code: 503, Reason: "backendError", Message: "The service is currently unavailable."}
	},
	"quota": func(c *Cloud, call Call) error {
		q := c.resource(call.Kind).Quota
		return quotaExceeded(cmp.Or(q.Metric, "RESOURCES"), q.Limit, "globally")
	},
	"denied": func(c *Cloud, call Call) error {
		for _, n := range c.Needs(call) {
			return denied(n.Permission, n.Resource)
		}
		return denied("resourcemanager.projects.get", OnProject(call))
	},
	"api-disabled": func(c *Cloud, call Call) error {
		return c.disabled(call.Kind.API(), Segment(call.Name, "projects"))
	},
	"exists":     func(_ *Cloud, call Call) error { return AlreadyExists(call.Name) },
	answerSlow:   nil,
	answerFailed: nil,
}

// Answers lists what a [Fault] can answer with, sorted.
func Answers() []string { return slices.Sorted(maps.Keys(answers)) }

// AddFlags adds the flags that select the calls, and how they fail.
func (f *Fault) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&f.Kind, "kind", "", "kind of the object, such as Network")
	flags.StringVar((*string)(&f.Verb), "verb", "", "create, get, update or delete")
	flags.StringVar(&f.Name, "name", "", "last part of the object's name; * and ? stand for any text and any character")
	flags.IntVar(&f.Count, "count", 0, "number of calls; without it all, until the fault is cleared")
	flags.IntVar(&f.Seconds, "seconds", 0, "how much longer the operation takes, for the answer slow")
}

// Check returns all mistakes at once. The kinds are those of the APIs.
func (f Fault) Check(apis []API) error {
	var errs []error
	if _, ok := answers[f.Answer]; !ok {
		errs = append(errs, fmt.Errorf("%q is not an answer; it may be %s", f.Answer, strings.Join(Answers(), ", ")))
	}
	var known []string
	for kind := range kindsOf(apis) {
		known = append(known, LastSegment(string(kind)))
	}
	if slices.Sort(known); f.Kind != "" && !slices.Contains(known, f.Kind) {
		errs = append(errs, fmt.Errorf("--kind %s: it may be %s", f.Kind, strings.Join(slices.Compact(known), ", ")))
	}
	if !slices.Contains([]Verb{"", VerbCreate, VerbGet, VerbUpdate, VerbDelete}, f.Verb) {
		errs = append(errs, fmt.Errorf("--verb %s: it may be create, get, update, delete", f.Verb))
	}
	if _, err := path.Match(f.Name, ""); err != nil {
		errs = append(errs, fmt.Errorf("--name %s: %w", f.Name, err))
	}
	if f.Count < 0 || f.Seconds < 0 {
		errs = append(errs, errors.New("--count and --seconds must not be negative"))
	}
	if (f.Answer == answerSlow) != (f.Seconds > 0) {
		errs = append(errs, errors.New("--seconds belongs to the answer slow, and slow needs it"))
	}
	return errors.Join(errs...)
}

// matches reports whether the fault strikes a call.
func (f Fault) matches(call Call) bool {
	name, _ := path.Match(f.Name, LastSegment(call.Name))
	return (f.Kind == "" || f.Kind == LastSegment(string(call.Kind))) && (f.Verb == "" || f.Verb == call.Verb) && (f.Name == "" || name)
}

// String returns the fault as a command line gives it.
func (f Fault) String() string {
	text := f.Answer
	for _, part := range []struct{ key, value string }{
		{"kind", f.Kind}, {"verb", string(f.Verb)}, {"name", f.Name}, {"count", strconv.Itoa(f.Count)}, {"seconds", strconv.Itoa(f.Seconds)},
	} {
		if part.value != "" && part.value != "0" {
			text += " --" + part.key + " " + part.value
		}
	}
	return text
}

// Faults reads the faults that are set in a cloud's folder.
func Faults(dir string) ([]Fault, error) {
	text, err := os.ReadFile(filepath.Join(dir, "faults.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the emulated cloud's faults: %w", err)
	}
	var faults []Fault
	if err := json.Unmarshal(text, &faults); err != nil {
		return nil, fmt.Errorf("reading the emulated cloud's faults: %w", err)
	}
	return faults, nil
}

// SetFaults replaces the faults of a cloud's folder. They act from the next call
// on, in a process that has the cloud open too.
func SetFaults(dir string, faults []Fault) error {
	text, err := json.Marshal(faults)
	if err != nil {
		return err
	}
	if err := wholefile.Write(filepath.Join(dir, "faults.json"), text, 0o600); err != nil {
		return fmt.Errorf("saving the emulated cloud's faults: %w", err)
	}
	return nil
}

// strike returns the first fault that matches a call, and counts it. It looks for faults of
// operations if operations is set, and otherwise for faults of calls.
func (c *Cloud) strike(call Call, operations bool) (Fault, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	faults, err := Faults(c.dir)
	i := slices.IndexFunc(faults, func(f Fault) bool { return (answers[f.Answer] == nil) == operations && f.matches(call) })
	if err != nil || i < 0 {
		return Fault{}, false, err
	}
	struck := faults[i]
	switch struck.Count {
	case 0:
		return struck, true, nil
	case 1:
		faults = slices.Delete(faults, i, i+1)
	default:
		faults[i].Count--
	}
	return struck, true, SetFaults(c.dir, faults)
}

// answer returns the error of a call that a fault strikes, or nil.
func (c *Cloud) answer(call Call) error {
	f, struck, err := c.strike(call, false)
	if !struck || err != nil {
		return err
	}
	return answers[f.Answer](c, call)
}

// outcome returns how much longer an operation takes, and its error at the end.
func (c *Cloud) outcome(call Call) (time.Duration, error) {
	f, struck, err := c.strike(call, true)
	if struck && f.Answer == answerFailed {
		// The words are the Terraform provider's, of an operation that ended with an error.
		err = fmt.Errorf("Error waiting to %s %s: the operation ended with INTERNAL_ERROR: Internal error. "+
			"Please try again or contact Google Support. (Code: '%s')", call.Verb, LastSegment(call.Name), RandomDigits(19))
	}
	return time.Duration(f.Seconds) * time.Second, err
}
