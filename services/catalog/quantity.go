package catalog

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// quantities describes the values that [Bytes] accepts.
const quantities = "a number of Ki, Mi or Gi, such as 256Mi"

var quantityRule = regexp.MustCompile(`^([1-9][0-9]{0,9})(Ki|Mi|Gi)$`)

// Bytes returns the number of bytes in a quantity such as 256Mi. Of Kubernetes'
// forms it accepts those with a binary suffix.
func Bytes(quantity string) (int64, error) {
	parts := quantityRule.FindStringSubmatch(quantity)
	if parts == nil {
		return 0, fmt.Errorf("%q is not %s", quantity, quantities)
	}
	number, err := strconv.ParseInt(parts[1], 10, 64)
	return number << map[string]int{"Ki": 10, "Mi": 20, "Gi": 30}[parts[2]], err
}

// millicores returns the thousandths of a core in a quantity that [cpuRule] matches.
func millicores(quantity string) float64 {
	thousandths, isThousandths := strings.CutSuffix(quantity, "m")
	number, _ := strconv.ParseFloat(thousandths, 64) // the rule allows digits and a point
	if isThousandths {
		return number
	}
	return number * 1000
}
