#!/usr/bin/env bash
# Runs in the virtual machine of run.sh: `make up`, a rollout, and `make down`, which leaves nothing
# behind. It makes no calls of its own during and after the rollout: an emulated machine is so slow
# that pods fail their probes then. The second `make up` shows the call that it makes.
set -euo pipefail
exec > >(cat) 2>&1 # which is no terminal
modprobe 9pnet_virtio
for cache in GOCACHE GOMODCACHE; do
	tag=${cache,,}
	mkdir -p "/mnt/$tag" "/var/$tag/upper" "/var/$tag/work" "${!cache}"
	mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=524288 "$tag" "/mnt/$tag"
	mount -t overlay -o "lowerdir=/mnt/$tag,upperdir=/var/$tag/upper,workdir=/var/$tag/work" overlay "${!cache}"
done
uname --kernel-release --kernel-version
[ "$(stat --file-system --format %T /sys/fs/cgroup)" = cgroup2fs ]

make up
make call METHOD=api.Echo/Echo DATA='{"content":"before"}'
sed --in-place 's/Content: request/Content: "again: " + request/' services/echo/handlers.go
make up | grep "again: hello"

make down
left=$(
	find /sys/fs/cgroup -name 'grpc-edge-sandbox*'
	grep "$PWD" /proc/self/mounts || true
	find /sys/class/net -mindepth 1 ! -name lo
	find . -maxdepth 1 -name .sandbox
)
[ -z "$left" ] || { echo "make down leaves behind: $left"; exit 1; }
echo "the sandbox ran on cgroup v2"
