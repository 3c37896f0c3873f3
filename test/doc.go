// Package test runs the whole system end to end, as its users do, in a fresh copy of the
// checkout. It compares the machine before and after.
package test
