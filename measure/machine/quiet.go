package machine

import (
	"fmt"
	"os"
)

// mostLoad is the highest load average of the last minute at which figures are published.
// On a busier machine, other work would distort them.
const mostLoad = 0.5

// Quiet returns an error if the machine is too busy for published figures.
func Quiet() error {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return fmt.Errorf("reading how busy the machine is: %w", err)
	}
	return quiet(string(text))
}

func quiet(loadavg string) error {
	var load float64
	if _, err := fmt.Sscan(loadavg, &load); err != nil {
		return fmt.Errorf("reading /proc/loadavg %q: %w", loadavg, err)
	}
	if load > mostLoad {
		return fmt.Errorf("the load of this machine is %.2f, and figures are published only up to %.1f: stop other programs and wait two minutes", load, mostLoad)
	}
	return nil
}
