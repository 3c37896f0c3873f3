// Package test runs the whole system end to end, as its users would, in a fresh
// copy of the checkout, and compares the machine before and after.
package test
