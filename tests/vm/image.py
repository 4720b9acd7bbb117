# SPDX-License-Identifier: MIT
"""What a virtual machine boots: Debian's kernel, an initrd that only finds the disk, and a disk
with the system of the packages' tests (packages/machine.py), which is Debian by debootstrap.

Kernel and initrd stay in the same folder as that system for later runs."""
import pathlib
import shutil
import stat
import subprocess
import sys

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests/packages"))

from machine import Impossible, base, one_at_a_time, run        # noqa: E402

MODULES = ("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk",
           "virtio_console")
INIT = """#!/bin/busybox sh
/bin/busybox mount -t devtmpfs none /dev
for module in %s; do /bin/busybox insmod /$module.ko; done
until [ -b /dev/vda ]; do /bin/busybox usleep 10000; done
/bin/busybox mount -t ext4 -o rw /dev/vda /system || exec /bin/busybox poweroff -f
/bin/busybox mount -o move /dev /system/dev
exec /bin/busybox switch_root /system /lib/systemd/systemd
""" % " ".join(MODULES)
NO_NEED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/locale", "usr/share/doc", "usr/share/info")
# What a machine on somebody's desk has, and what this one would wait for.
MASKED = ("getty@tty1", "serial-getty@ttyS0", "systemd-udevd", "systemd-update-utmp", "systemd-random-seed", "apt-daily.timer",
          "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "systemd-networkd", "systemd-resolved",
          "systemd-timesyncd", "systemd-logind", "console-getty", "systemd-udev-trigger", "systemd-tmpfiles-clean.timer",
          "systemd-remount-fs", "systemd-udev-settle", "dev-hugepages.mount", "sys-kernel-debug.mount", "modprobe@drm",
          "sys-kernel-tracing.mount", "systemd-binfmt", "proc-sys-fs-binfmt_misc.automount", "getty.target")


def newc(files):
    """An archive of cpio's newc form: (name, mode, bytes)."""
    out = bytearray()
    for number, (name, mode, data) in enumerate([*files, ("TRAILER!!!", 0, b"")], 1):
        name = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        out += b"070701" + b"".join(b"%08x" % f for f in fields) + name
        out += b"\0" * (-len(out) % 4) + data
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def newest_kernel():
    got = run("apt-cache", "depends", "linux-image-cloud-amd64")
    names = [line.split()[1] for line in got.stdout.splitlines() if "Depends: linux-image-" in line]
    if not names:
        raise Impossible("apt knows no linux-image-cloud-amd64")
    return names[0]


def unpack(package, into):
    """A package's files, without installing it."""
    into.mkdir(parents=True)
    got = run("apt-get", "download", "-q", package, cwd=into)
    if got.returncode:
        raise Impossible(f"{package} is not to be had: {got.stdout[-500:]}")
    deb = next(into.glob("*.deb"))
    subprocess.run(["dpkg-deb", "-x", deb, into], check=True)
    return deb


def make_initrd(kernel, busybox):
    files = [(d, stat.S_IFDIR | 0o755, b"") for d in ("bin", "dev", "system")]
    files += [("init", stat.S_IFREG | 0o755, INIT.encode()),
              ("bin/busybox", stat.S_IFREG | 0o755, busybox.read_bytes())]
    for m in MODULES:
        files.append((f"{m}.ko", stat.S_IFREG | 0o644, next(kernel.rglob(f"{m}.ko")).read_bytes()))
    return newc(files)


def parts():
    """The folder with vmlinuz, initrd, busybox and the package apparmor, made at need."""
    cache = base().parent
    name = newest_kernel()
    folder = cache / name
    with one_at_a_time(cache):
        if (folder / "initrd").exists():
            return folder
        new = cache / "new-kernel"
        shutil.rmtree(new, ignore_errors=True)
        unpack(name, new / "kernel")
        unpack("busybox-static", new / "tools")
        unpack("apparmor", new / "apparmor").rename(new / "apparmor.deb")
        next((new / "kernel/boot").glob("vmlinuz-*")).rename(new / "vmlinuz")
        (new / "tools/bin/busybox").rename(new / "busybox")
        (new / "initrd").write_bytes(make_initrd(new / "kernel", new / "busybox"))
        for d in ("kernel", "tools", "apparmor"):
            shutil.rmtree(new / d)
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    return folder


def chroot(root, *command):
    got = run("chroot", root, *command, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"})
    assert got.returncode == 0, got.stdout[-3000:]


def lay(root, given, installed=()):
    """A copy of the system with apparmor, the story's files, and these packages of /given installed."""
    got = run("cp", "-a", "--reflink=auto", base(), root)
    if got.returncode:
        raise Impossible(got.stdout)
    for folder in NO_NEED:
        shutil.rmtree(root / folder, ignore_errors=True)
    shutil.copytree(given, root / "given")
    for file in ("live/load.py", "vm/inside.py", "vm/inside_cut.py", "vm/inside_apparmor.py"):
        (root / "tree/tests" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TREE / "tests" / file, root / "tree/tests" / file)
    chroot(root, "dpkg", "-i", "/given/apparmor.deb", *[f"/given/{name}" for name in installed])
    units = root / "etc/systemd/system"
    for unit in MASKED:
        (units / (unit if "." in unit else unit + ".service")).symlink_to("/dev/null")
    (units / "story.service").write_text(
        "[Unit]\nAfter=multi-user.target\n[Service]\nType=oneshot\nStandardOutput=journal+console\n"
        "StandardError=journal+console\nExecStart=/usr/bin/python3 /tree/tests/vm/inside.py\n"
        "ExecStopPost=systemctl --no-block poweroff\n")
    (units / "multi-user.target.wants").mkdir(exist_ok=True)
    (units / "multi-user.target.wants/story.service").symlink_to("../story.service")
    (root / "etc/fstab").write_text("")


def make_disk(root, image, megabytes=900):
    with open(image, "wb") as f:
        f.truncate(megabytes << 20)
    got = run("mke2fs", "-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", "-d", root, image)
    assert got.returncode == 0, got.stdout[-2000:]


def find_deb(debs, start):
    found = [p for p in debs.iterdir() if p.name.startswith(start) and p.suffix == ".deb"]
    assert len(found) == 1, (start, found)
    return found[0]


NO_FLUSH = "int fdatasync(int fd) { return 0; }\nint fsync(int fd) { return 0; }\n"


def take_flushes(root):
    """No program flushes anything any more, and none knows it."""
    library = "/usr/lib/noflush.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-w", "-x", "c", "-o", f"{root}{library}", "-"], input=NO_FLUSH, text=True, check=True)
    (root / "etc/ld.so.preload").write_text(f"{library}\n")


def lay_cut(tmp, parts, debs, config, without_flushes=False):
    """A disk with the gateway installed, and with its mock as a service."""
    given, root = tmp / "given", tmp / "root"
    given.mkdir()
    for name, path in (("apparmor", parts / "apparmor.deb"), ("llmgw", find_deb(debs, "llmgw_")),
                       ("llmgw-mock", find_deb(debs, "llmgw-mock_"))):
        shutil.copy(path, given / f"{name}.deb")
    lay(root, given, ("llmgw-mock.deb", "llmgw.deb"))
    (root / "etc/llmgw/llmgw.yaml").write_text(config)
    units = root / "etc/systemd/system"
    (units / "mock.service").write_text("[Service]\nExecStart=/usr/bin/llmgw-mock --port 8000\n")
    (units / "multi-user.target.wants/mock.service").symlink_to("../mock.service")
    if without_flushes:
        take_flushes(root)
    make_disk(root, tmp / "disk")
    shutil.rmtree(root)
