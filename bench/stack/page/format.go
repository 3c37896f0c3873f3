package page

import (
	"fmt"
	"time"
)

// seconds formats a duration in seconds, and from two minutes on in minutes and seconds.
func seconds(d time.Duration) string {
	if d < 2*time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	d = d.Round(time.Second)
	return fmt.Sprintf("%d min %02d s", d/time.Minute, d%time.Minute/time.Second)
}

func gigabytes(n uint64) string { return fmt.Sprintf("%.1f GB", float64(n)/1e9) }
func megabytes(n uint64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
