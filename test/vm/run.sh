#!/usr/bin/env bash
# Runs the sandbox in a virtual machine with Debian's kernel, systemd and cgroup v2: guest.sh, at the
# path of this checkout. It brings Go, its caches and what `make tools` has built, so that nothing is
# fetched or compiled again there. ACCEL is QEMU's accelerator: kvm is some ten times as fast as tcg,
# which works on any machine. The packages come from where this machine, a Debian, gets its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
checkout=$PWD dir=$PWD/.cache/vm
for command in qemu-system-x86_64 mmdebstrap mkfs.ext4; do
	command -v "$command" >/dev/null || { echo "$command is missing: apt-get install qemu-system-x86 mmdebstrap e2fsprogs" >&2; exit 1; }
done
mkdir -p "$dir"

# The packages are what the README asks for, and a C compiler: with the same one as here, the
# cached packages that use cgo fit.
packages=systemd-sysv,linux-image-amd64,python3,git,make,gcc,libc6-dev,kmod,mount
if [ ! -e "$dir/debian/boot" ]; then
	mmdebstrap --variant=apt --include="$packages" "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$dir/debian.tar"
	mkdir -p "$dir/debian"
	tar --extract --file "$dir/debian.tar" --directory "$dir/debian"
	rm "$dir/debian.tar"
fi

root=$dir/root
rm -rf "$root"
cp --archive --link "$dir/debian" "$root"
mkdir -p "$root$(go env GOROOT)" "$root$(dirname "$checkout")" "$root/etc/systemd/system/multi-user.target.wants"
cp --archive "$(go env GOROOT)/." "$root$(go env GOROOT)/"
git -c safe.directory="*" clone --quiet --upload-pack 'git -c safe.directory=* upload-pack' "$checkout" "$root$checkout"
mkdir "$root$checkout/.cache"
tar --create --directory "$checkout/.cache" --exclude ./vm --exclude ./e2e . | tar --extract --directory "$root$checkout/.cache"
echo "127.0.0.1 localhost" >"$root/etc/hosts"
cat >"$root/etc/systemd/system/sandbox.service" <<EOF
[Unit]
SuccessAction=poweroff
FailureAction=poweroff

[Service]
Type=oneshot
Environment=HOME=/root PATH=$(go env GOROOT)/bin:/usr/sbin:/usr/bin GOCACHE=$(go env GOCACHE) GOMODCACHE=$(go env GOMODCACHE) GOPROXY=off
WorkingDirectory=$checkout
ExecStart=/bin/bash test/vm/guest.sh
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
EOF
ln -s ../sandbox.service "$root/etc/systemd/system/multi-user.target.wants/sandbox.service"
ln -sf /dev/null "$root/etc/systemd/system/serial-getty@ttyS0.service"

rm -f "$dir/disk"
truncate --size 40G "$dir/disk"
mkfs.ext4 -q -d "$root" "$dir/disk"
rm -rf "$root"

share() { echo "-virtfs local,path=$1,mount_tag=$2,security_model=none,readonly=on,multidevs=remap"; }
# shellcheck disable=SC2046 # the options are words
qemu-system-x86_64 -accel "${ACCEL:-tcg,thread=multi}" -cpu max -smp "$(nproc)" -m 12G -nographic -no-reboot -nic none \
	-kernel "$dir"/debian/boot/vmlinuz-* -initrd "$dir"/debian/boot/initrd.img-* -append "root=/dev/vda rw console=ttyS0 quiet" \
	-drive "file=$dir/disk,format=raw,if=virtio,cache=unsafe" \
	$(share "$(go env GOCACHE)" gocache) $(share "$(go env GOMODCACHE)" gomodcache) </dev/null | tee "$dir/console"
rm -f "$dir/disk"
grep --quiet "^the sandbox ran on cgroup v2" "$dir/console"
