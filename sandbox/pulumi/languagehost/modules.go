package languagehost

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"example.com/grpc-edge/internal/subprocess"
	"example.com/grpc-edge/internal/wholefile"
)

// module describes one module, as `go list` prints it.
type module struct {
	Path, Version, Dir string
	Main, Indirect     bool
	Replace            *struct{ Path, Version string }
}

// modules lists the modules that the program's packages come from. It asks for
// packages (-deps) because a list of modules alone needs the go.mod of many
// that nothing is built from; with -e, sources that don't compile are left for
// the compiler to explain.
func modules(ctx context.Context, folder string) ([]module, error) {
	gobin, err := exec.LookPath("go")
	if err != nil {
		return nil, errNoGo(err)
	}
	cmd := exec.CommandContext(ctx, gobin, "list", "-e", "-deps", "-json=Module", ".")
	cmd.Dir = folder
	// A workspace would add the modules of its other members.
	cmd.Env = append(os.Environ(), "GOWORK=off")
	output, err := subprocess.Output(cmd)
	if err != nil {
		return nil, fmt.Errorf("listing the modules of the program in %q: %w", folder, err)
	}
	var list []module
	seen := map[string]bool{}
	for decoder := json.NewDecoder(strings.NewReader(output)); ; {
		var pkg struct{ Module *module }
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading the module list of the program in %q: %w", folder, err)
		}
		if m := pkg.Module; m != nil && !seen[m.Path] { // nil: the standard library
			seen[m.Path] = true
			list = append(list, *m)
		}
	}
}

// kept holds the modules of the program with this build ID.
type kept struct {
	BuildID []byte
	Modules []module
}

// noChange is longer than Go takes to find that a program is up to date.
const noChange = 2 * time.Second

// requiredModules lists the modules of the program. Go takes as long for the list as it takes to find that
// a program is up to date, so the list is kept beside the program. Other packages or versions make a
// program with another build ID.
//
// It waits for Go within the limit. After a change, compiling takes longer.
func (h *Host) requiredModules(ctx context.Context, info *pulumirpc.ProgramInfo, limit time.Duration) ([]module, error) {
	program := h.compileEarly(info)
	if program == "" || !h.early.upToDate(program, limit) {
		return modules(ctx, info.GetProgramDirectory())
	}
	id, err := buildID(program)
	if err != nil {
		return modules(ctx, info.GetProgramDirectory())
	}
	file := program + ".modules.json"
	if list := readKept(file, id); list != nil {
		return list, nil
	}
	list, err := modules(ctx, info.GetProgramDirectory())
	if err == nil {
		writeKept(file, kept{id, list})
	}
	return list, err
}

// readKept returns the list in a file if it is of this build, and the modules are still in their folders.
func readKept(file string, id []byte) []module {
	var last kept
	if text, err := os.ReadFile(file); err != nil || json.Unmarshal(text, &last) != nil || !bytes.Equal(last.BuildID, id) {
		return nil
	}
	for _, m := range last.Modules {
		if _, err := os.Stat(m.Dir); m.Dir != "" && err != nil {
			return nil
		}
	}
	return last.Modules
}

// writeKept writes the list. Without it the next preview is slower.
func writeKept(file string, list kept) {
	if text, err := json.Marshal(list); err == nil {
		_ = wholefile.Write(file, text, 0o600)
	}
}

// buildID returns the note in which Go's linker says what a program was built from.
func buildID(program string) ([]byte, error) {
	file, err := elf.Open(program)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	note := file.Section(".note.go.buildid")
	if note == nil {
		return nil, fmt.Errorf("%s has no build ID", program)
	}
	return note.Data()
}

// GetRequiredPackages names the provider plugins of the Pulumi SDKs that the
// program depends on, so that the engine can install them before it starts.
// Providers attached through PULUMI_DEBUG_PROVIDERS are left out: there is
// nothing to install, and the engine would search its download site for them.
func (h *Host) GetRequiredPackages(
	ctx context.Context, req *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	list, err := h.requiredModules(ctx, req.GetInfo(), noChange)
	if err != nil {
		return nil, err
	}
	attached := map[string]bool{}
	for entry := range strings.SplitSeq(os.Getenv("PULUMI_DEBUG_PROVIDERS"), ",") {
		name, _, _ := strings.Cut(entry, ":")
		attached[name] = true
	}
	resp := &pulumirpc.GetRequiredPackagesResponse{}
	for _, m := range list {
		pkg, err := m.requiredPackage()
		if err != nil {
			return nil, err
		}
		if pkg != nil && !attached[pkg.Name] {
			resp.Packages = append(resp.Packages, pkg)
		}
	}
	return resp, nil
}

// requiredPackage returns the provider that the module is an SDK of, nil if none. An SDK names
// its provider in a pulumi-plugin.json somewhere near its root.
func (m module) requiredPackage() (*pulumirpc.PackageDependency, error) {
	if m.Dir == "" || m.Main {
		return nil, nil
	}
	var found []string
	for _, pattern := range []string{"", "go", "go/*", "*"} {
		paths, err := filepath.Glob(filepath.Join(m.Dir, pattern, "pulumi-plugin.json"))
		if err != nil {
			return nil, fmt.Errorf("searching pulumi-plugin.json of module %s: %w", m.Path, err)
		}
		found = append(found, paths...)
	}
	if len(found) == 0 {
		return nil, nil
	}
	info, err := plugin.LoadPulumiPluginJSON(found[0])
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", found[0], err)
	}
	if !info.Resource {
		return nil, nil
	}
	pkg := &pulumirpc.PackageDependency{Kind: "resource", Name: info.Name, Version: info.Version, Server: info.Server}
	if pkg.Version == "" {
		pkg.Version = m.Version
	}
	if p := info.Parameterization; p != nil {
		pkg.Parameterization = &pulumirpc.PackageParameterization{Name: p.Name, Version: p.Version, Value: p.Value}
	}
	return pkg, nil
}

// GetProgramDependencies lists the modules the program is built from, the
// direct ones or all. A module replaced by a folder has no version.
func (h *Host) GetProgramDependencies(
	ctx context.Context, req *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	list, err := modules(ctx, req.GetInfo().GetProgramDirectory())
	if err != nil {
		return nil, err
	}
	resp := &pulumirpc.GetProgramDependenciesResponse{}
	for _, m := range list {
		if m.Main || m.Indirect && !req.GetTransitiveDependencies() {
			continue
		}
		version := m.Version
		if m.Replace != nil {
			version = m.Replace.Version
		}
		resp.Dependencies = append(resp.Dependencies, &pulumirpc.DependencyInfo{Name: m.Path, Version: version})
	}
	return resp, nil
}

// InstallDependencies downloads the modules the program is built from.
func (h *Host) InstallDependencies(
	req *pulumirpc.InstallDependenciesRequest, stream pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	gobin, err := exec.LookPath("go")
	if err != nil {
		return errNoGo(err)
	}
	closer, stdout, stderr, err := rpcutil.MakeInstallDependenciesStreams(stream, req.GetIsTerminal())
	if err != nil {
		return fmt.Errorf("streaming output: %w", err)
	}
	defer closer.Close()
	ctx, release := h.within(stream.Context())
	defer release()
	cmd := exec.CommandContext(ctx, gobin, "mod", "download")
	cmd.Dir = req.GetInfo().GetProgramDirectory()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("downloading the modules of the program in %q: %w", cmd.Dir, err)
	}
	return closer.Close()
}
