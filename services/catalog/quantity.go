package catalog

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// quantities describes the values that [Bytes] accepts.
const quantities = "a number of Ki, Mi or Gi, such as 256Mi"

// cores describes the values that [Millicores] accepts.
const cores = "cores or thousandths of one, such as 250m or 2"

var (
	quantityPattern = regexp.MustCompile(`^([1-9][0-9]{0,9})(Ki|Mi|Gi)$`)
	cpuPattern      = regexp.MustCompile(`^([1-9][0-9]*m|[0-9]+(\.[0-9]+)?)$`)
)

// Bytes returns the number of bytes in a quantity such as 256Mi. Of Kubernetes'
// forms it accepts those with a binary suffix.
func Bytes(quantity string) (int64, error) {
	parts := quantityPattern.FindStringSubmatch(quantity)
	if parts == nil {
		return 0, fmt.Errorf("%q is not %s", quantity, quantities)
	}
	number, err := strconv.ParseInt(parts[1], 10, 64)
	return number << map[string]int{"Ki": 10, "Mi": 20, "Gi": 30}[parts[2]], err
}

// Millicores returns the thousandths of a core in a quantity such as 250m or 0.5.
func Millicores(quantity string) (float64, error) {
	if !cpuPattern.MatchString(quantity) {
		return 0, fmt.Errorf("%q is not %s", quantity, cores)
	}
	thousandths, isThousandths := strings.CutSuffix(quantity, "m")
	number, err := strconv.ParseFloat(thousandths, 64)
	if !isThousandths {
		number *= 1000
	}
	return number, err
}
