package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// The table stands between these lines of the README.
const (
	begin = "<!-- measured: make measure writes what is below -->"
	end   = "<!-- measured: end -->"
)

// writeTable replaces the table, and keeps the rows of it that were not measured this time.
func writeTable(file string, rows []row) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), begin)
	old, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("writing the table: %s lacks the lines %q and %q", file, begin, end)
	}
	rows = append(kept(old, rows), rows...)
	var table strings.Builder
	fmt.Fprintf(&table, "\n\n| what | measured |\n|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&table, "| %s | %s |\n", r.what, r.value)
	}
	fmt.Fprintf(&table, "\n%s, on %d cores of a %s with %s of memory.\n\n", time.Now().Format(time.DateOnly), runtime.NumCPU(), processor(), totalMemory())
	return os.WriteFile(file, []byte(before+begin+table.String()+end+after), 0o644)
}

func kept(old string, rows []row) []row {
	measured := map[string]bool{"what": true, "---": true}
	for _, r := range rows {
		measured[r.what] = true
	}
	var list []row
	for line := range strings.Lines(old) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) == 2 && !measured[strings.TrimSpace(cells[0])] {
			list = append(list, row{strings.TrimSpace(cells[0]), strings.TrimSpace(cells[1])})
		}
	}
	return list
}

func processor() string { return procField("/proc/cpuinfo", "model name") }

func totalMemory() string {
	var kib uint64
	if _, err := fmt.Sscanf(procField("/proc/meminfo", "MemTotal"), "%d kB", &kib); err != nil {
		return "an unknown amount"
	}
	return gigabytes(kib << 10)
}

func procField(file, name string) string {
	f, err := os.Open(file)
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for scanner := bufio.NewScanner(f); scanner.Scan(); {
		if key, value, ok := strings.Cut(scanner.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
