package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example.com/grpc-edge/sandbox/bugreport"
)

// packReport writes a report into the folder in which it is called, and says where it is.
func packReport(ctx context.Context, s sandbox, _ []string) error {
	folder, err := os.Getwd()
	if err != nil {
		return err
	}
	name := filepath.Join(folder, "sandbox-report-"+time.Now().UTC().Format("20060102-150405")+".tar.gz")
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	parts := []bugreport.Part{{Name: "version.txt", Text: []byte(s.version() + "\n" + machineText())}}
	if s.state.Exists() { // otherwise a tool may not have built, and the logs of builds say why
		parts = append(parts, bugreport.Part{Name: "cluster.txt", Text: s.clusterText(ctx)})
	}
	if err := bugreport.Write(file, s.state.Dir, filepath.Join(s.tools.Cache, "logs"), parts...); err != nil {
		_ = os.Remove(name)
		return fmt.Errorf("packing the report: %w", err)
	}
	fmt.Fprintln(os.Stderr, "Keys, tokens, and what is marked as secret or looks like it are left out. Check it before you attach it:")
	fmt.Println(name)
	return nil
}

// machineText describes the machine.
func machineText() string {
	var kernel unix.Utsname
	if err := unix.Uname(&kernel); err != nil {
		return err.Error() + "\n"
	}
	text := fmt.Sprintf("%s %s, %d cores\n", unix.ByteSliceToString(kernel.Sysname[:]), unix.ByteSliceToString(kernel.Release[:]), runtime.NumCPU())
	for _, file := range []string{"/etc/os-release", "/proc/meminfo"} {
		lines, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		first := strings.SplitAfter(string(lines), "\n")
		text += strings.Join(first[:min(3, len(first))], "")
	}
	return text
}

// clusterText returns what kubectl shows of the cluster, or why it shows nothing.
func (s sandbox) clusterText(ctx context.Context) []byte {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var text []byte
	if st, err := s.stack(); err != nil {
		text = fmt.Appendf(text, "%v\n", err)
	} else if _, err := s.writeKubeconfig(ctx, st); err != nil {
		text = fmt.Appendf(text, "%v\n", err)
	}
	for _, args := range []string{
		"get nodes,pods,services,deployments --all-namespaces --output wide",
		"get events --all-namespaces --sort-by .lastTimestamp",
		"logs --namespace " + namespace + " --selector app.kubernetes.io/name --prefix --tail 500 --max-log-requests 50 --all-containers",
	} {
		text = fmt.Appendf(text, "$ kubectl %s\n", args)
		out, err := s.kubectl(ctx, strings.Fields(args)...).CombinedOutput()
		text = append(text, out...)
		if err != nil {
			text = fmt.Appendf(text, "%v\n", err)
		}
	}
	return text
}
