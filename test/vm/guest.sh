#!/usr/bin/env bash
# Runs in the virtual machine of run.sh: `make up`, a rollout, and `make down`, which leaves nothing
# behind. An emulated machine is so slow that pods fail their probes at times, and no call arrives
# then: `make up` is tried three times. It shows the calls that it makes.
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

up() {
	for attempt in 1 2 3; do
		make up && echo "make up succeeded at attempt $attempt" && return
	done
	return 1
}
up | tee /dev/stderr | grep '"hello"' >/dev/null
sed --in-place 's/Content: request/Content: "again: " + request/' services/echo/handlers.go
up | tee /dev/stderr | grep "again: hello" >/dev/null

make down
left=$(
	find /sys/fs/cgroup -name 'grpc-edge-sandbox*'
	grep "$PWD" /proc/self/mounts || true
	find /sys/class/net -mindepth 1 ! -name lo
	find . -maxdepth 1 -name .sandbox
)
[ -z "$left" ] || { echo "make down leaves behind: $left"; exit 1; }
echo "the sandbox ran on cgroup v2"
