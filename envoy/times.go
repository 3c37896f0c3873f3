package envoy

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
)

// connectionAgeJitter keeps clients that connected at the same time from coming
// back at the same time: a connection may be this many percent older.
const connectionAgeJitter = 10

// maxConnectionAge returns the age of a connection at which Envoy sends GOAWAY. The
// client then reconnects for further calls. Calls under way have no time limit, and
// the connection is closed when the last of them is done.
func maxConnectionAge(c Config) *durationpb.Duration {
	if c.MaxConnectionAge == 0 {
		return nil
	}
	return durationpb.New(c.MaxConnectionAge)
}

func (c Config) validateTimes() error {
	var errs []error
	if c.MaxDeadline != 0 && c.MaxDeadline < time.Millisecond {
		errs = append(errs, fmt.Errorf("MaxDeadline: %v must be at least 1ms, or 0 for no cap", c.MaxDeadline))
	}
	if c.MaxConnectionAge != 0 && c.MaxConnectionAge < time.Millisecond {
		errs = append(errs, fmt.Errorf("MaxConnectionAge: %v must be at least 1ms, or 0 for never", c.MaxConnectionAge))
	}
	if c.DrainTime < time.Second || c.DrainTime%time.Second != 0 {
		errs = append(errs, fmt.Errorf("DrainTime: %v must be whole seconds, at least 1s", c.DrainTime))
	}
	return errors.Join(errs...)
}
