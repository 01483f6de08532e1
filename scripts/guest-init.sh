#!/bin/busybox sh
# The guest's /init (see guest.sh): mounts the share, runs the program there, reports its exit code on the second serial port.
/bin/busybox mount -t proc proc /proc
/bin/busybox --install -s /bin
export PATH=/guest:/bin HOME=/root TERM=linux FASTFSD_GUEST=1
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mkdir /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
ln -s /proc/self/fd /dev/fd
ip link set lo up
stty -F /dev/console -onlcr # no carriage returns in what the program prints
# Kernels that have these built in come without the files.
for m in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci fuse virtiofs; do
	[ ! -e "/modules/$m.ko" ] || insmod "/modules/$m.ko"
done

rc=125
if mount -t virtiofs share /mnt && cd /mnt; then
	echo "guest: Linux $(uname -r), the share is mounted after $(cut -d' ' -f1 /proc/uptime) s"
	. /job # sets $1, $2...
	"$@"
	rc=$?
	cd /
	timeout 10 umount /mnt || echo "guest: the share cannot be unmounted"
fi
echo "$rc" >/dev/ttyS1
poweroff -n -f
