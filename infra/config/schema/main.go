// Command schema prints the JSON Schema of the file of a stack, with which editors complete
// and check its keys. `make generate` writes docs/stack.schema.json with it.
//
//	schema [-root ROOT]
package main

import (
	"flag"
	"fmt"
	"os"

	"example.com/grpc-edge/infra/config"
)

func main() {
	root := flag.String("root", ".", "the root of the repository")
	flag.Parse()
	content, err := config.StackSchema(*root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
	if _, err := os.Stdout.Write(content); err != nil {
		fmt.Fprintln(os.Stderr, "schema: writing:", err)
		os.Exit(1)
	}
}
