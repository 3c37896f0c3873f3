package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// number is any type of the numbers that are measured.
type number interface{ ~int64 | ~uint64 | ~float64 }

// Median returns the median of the values. For an even number it is the mean of the two in
// the middle. Without values it is 0.
func Median[T number](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// Thousands formats a number without a fraction, with separators.
func Thousands(v float64) string {
	digits := strconv.FormatFloat(v, 'f', 0, 64)
	var text strings.Builder
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			text.WriteByte(',')
		}
		text.WriteRune(digit)
	}
	return text.String()
}

// Milliseconds formats a time with three significant digits.
func Milliseconds(d time.Duration) string {
	ms := d.Seconds() * 1e3
	switch {
	case ms >= 100:
		return WholeMilliseconds(d)
	case ms >= 10:
		return fmt.Sprintf("%.1f ms", ms)
	default:
		return fmt.Sprintf("%.2f ms", ms)
	}
}

// WholeMilliseconds formats a time without a fraction.
func WholeMilliseconds(d time.Duration) string { return fmt.Sprintf("%.0f ms", d.Seconds()*1e3) }

// Seconds formats a number of seconds.
func Seconds(v float64) string { return fmt.Sprintf("%.1f s", v) }

// Duration formats a time in seconds, and from two minutes on in minutes and seconds.
func Duration(d time.Duration) string {
	if d < 2*time.Minute {
		return Seconds(d.Seconds())
	}
	d = d.Round(time.Second)
	return fmt.Sprintf("%d min %02d s", d/time.Minute, d%time.Minute/time.Second)
}

// Date formats the day of a time.
func Date(t time.Time) string { return t.Format(time.DateOnly) }

// Percent formats a share.
func Percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

// Megabytes formats a number of bytes, with a decimal below 10 MB.
func Megabytes[T number](bytes T) string {
	if mega := float64(bytes) / 1e6; mega < 10 {
		return fmt.Sprintf("%.1f MB", mega)
	}
	return fmt.Sprintf("%.0f MB", float64(bytes)/1e6)
}

// Gigabytes formats a number of bytes.
func Gigabytes[T number](bytes T) string { return fmt.Sprintf("%.1f GB", float64(bytes)/1e9) }
