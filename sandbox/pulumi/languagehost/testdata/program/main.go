// A program with one component that shows what it was given: its outputs are
// compared with what the test configured.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

type greeting struct{ pulumi.ResourceState }

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		cfg := config.New(ctx, "")
		switch cfg.Get("end") {
		case "error":
			return errors.New("the greeting is missing")
		case "exit":
			fmt.Fprintln(os.Stderr, "leaving early")
			os.Exit(7)
		case "hang":
			fmt.Println("hanging")
			time.Sleep(time.Hour)
		}
		fmt.Println("printed by the program")
		component := &greeting{}
		if err := ctx.RegisterComponentResource("test:index:Greeting", "greeting", component); err != nil {
			return err
		}
		pwd, err := os.Getwd()
		if err != nil {
			return err
		}
		ctx.Export("plain", pulumi.String(cfg.Require("plain")))
		ctx.Export("hidden", cfg.RequireSecret("hidden"))
		ctx.Export("where", pulumi.Sprintf("%s/%s in %s", ctx.Project(), ctx.Stack(), filepath.Base(pwd)))
		ctx.Export("root", pulumi.String(filepath.Base(ctx.RootDirectory())))
		return ctx.RegisterResourceOutputs(component, pulumi.Map{})
	})
}
