// Package shell quotes text for the commands that a person pastes.
package shell

import "strings"

// Quote returns the text as one word of a POSIX shell.
func Quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
