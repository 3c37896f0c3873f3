package gcp

import "fmt"

// Error is an answer of one of Google's APIs.
type Error struct {
	// Code is the HTTP status.
	Code int
	// Reason is the machine-readable reason, such as "alreadyExists".
	Reason string
	// Message is for the person who must act.
	Message string
}

// Error implements error, in the words of Google's Go client.
func (e *Error) Error() string {
	return fmt.Sprintf("googleapi: Error %d: %s, %s", e.Code, e.Message, e.Reason)
}

// BadRequest returns the answer to a request that is wrong.
func BadRequest(format string, args ...any) error {
	return &Error{Code: 400, Reason: "badRequest", Message: fmt.Sprintf(format, args...)}
}

// failedPrecondition returns the answer to a call for which an object is in the wrong state.
func failedPrecondition(format string, args ...any) error {
	return &Error{Code: 400, Reason: "failedPrecondition", Message: fmt.Sprintf(format, args...)}
}

// Invalid returns Compute Engine's answer to a value that it does not accept.
func Invalid(field string, value any, why string, args ...any) error {
	return &Error{Code: 400, Reason: "invalid", Message: fmt.Sprintf("Invalid value for field 'resource.%s': '%v'. %s",
		field, value, fmt.Sprintf(why, args...))}
}

// NotFound returns the error for the name of an object that does not exist, see [IsNotFound].
func NotFound(name string) error {
	return &Error{Code: 404, Reason: "notFound", Message: fmt.Sprintf("The resource '%s' was not found", name)}
}

// AlreadyExists returns the answer to the creation of an object that already exists.
func AlreadyExists(name string) error {
	return &Error{Code: 409, Reason: "alreadyExists", Message: fmt.Sprintf("The resource '%s' already exists", name)}
}

func notReady(name string) error {
	return &Error{Code: 400, Reason: "resourceNotReady", Message: fmt.Sprintf("The resource '%s' is not ready", name)}
}

// InUse returns the answer to the deletion of an object that another object uses.
func InUse(what, name, by string) error {
	return &Error{Code: 400, Reason: "resourceInUseByAnotherResource",
		Message: fmt.Sprintf("The %s resource '%s' is already being used by '%s'", what, name, by)}
}

func quotaExceeded(metric string, limit int, where string) error {
	return &Error{Code: 403, Reason: "quotaExceeded",
		Message: fmt.Sprintf("Quota '%s' exceeded.  Limit: %d.0 %s.", metric, limit, where)}
}
