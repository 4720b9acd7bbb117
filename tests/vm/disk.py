# SPDX-License-Identifier: MIT
"""A disk with a volatile write cache, whose power can be cut: a server of the NBD protocol on a
socket, for one QEMU.

What the guest writes is in the cache, and comes to the disk with the guest's next flush. cut()
ends the disk in one instant: nothing is answered any more, and of each write that no flush has
covered dice decide whether it is on the disk, is lost, or is there in some of its sectors. A sector of 4096
bytes is never torn, which is what disks promise, and ext4 needs: it refuses a journal whose last
commit block is there in part. A trap makes the instant that of a
flush, where most is at stake."""
import os
import random
import socket
import struct
import subprocess
import threading
import time

SECTOR = 4096
READ, WRITE, DISCONNECT, FLUSH = range(4)
FUA = 1
HAS_FLAGS, SEND_FLUSH, SEND_FUA = 1, 4, 8
OPTION_EXPORT_NAME, OPTION_ABORT, OPTION_INFO, OPTION_GO = 1, 2, 6, 7
ACK, INFO, UNSUPPORTED = 1, 3, 2**31 + 1
EINVAL = 22


class Gone(Exception):
    """The other side has closed."""


class Disk:
    """`image` holds what is on the disk; what the guest sees, with its cache, is in a file beside it."""

    def __init__(self, image, seed):
        self.image, self.seen_path = image, image.with_suffix(".seen")
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", image, self.seen_path], check=True)
        self.size = image.stat().st_size
        self.disk, self.seen = os.open(image, os.O_RDWR), os.open(self.seen_path, os.O_RDWR)
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.pending, self.is_cut = [], False
        self.trap = self.on_trap = None
        self.trapped = threading.Event()
        self.flushes = self.slowest_flush_ns = 0

    # ---- what a disk does; with the lock held

    def read(self, at, n):
        return os.pread(self.seen, n, at)

    def write(self, at, data):
        os.pwrite(self.seen, data, at)
        self.pending.append((at, data))

    def flush(self):
        began = time.monotonic_ns()
        for at, data in self.pending:
            os.pwrite(self.disk, data, at)
        self.pending = []
        self.flushes += 1
        self.slowest_flush_ns = max(self.slowest_flush_ns, time.monotonic_ns() - began)

    # ---- its power

    def cut(self):
        """What became of the cache: writes lost, kept, torn."""
        with self.lock:
            self.is_cut = True
            fates = {"lost": 0, "kept": 0, "torn": 0}
            for at, data in self.pending:
                fate = self.random.choices(list(fates), (2, 1, 1))[0]
                fates[fate] += 1
                for i in range(-(at % SECTOR), len(data), SECTOR):
                    i, end = max(i, 0), i + SECTOR
                    if fate == "kept" or fate == "torn" and self.random.random() < 0.5:
                        os.pwrite(self.disk, data[i:end], at + i)
            for at, data in self.pending:
                os.pwrite(self.seen, os.pread(self.disk, len(data), at), at)
            self.pending = []
            return fates

    def lay_trap(self, where, on_trap):
        """The next flush that finds something in the cache is the last thing that happens: "before"
        it does anything, or "behind" what it does, when nobody has heard of it."""
        with self.lock:
            self.trap, self.on_trap = where, on_trap

    def _spring(self, where):
        if self.trap != where:
            return
        self.is_cut = True
        self.on_trap()
        self.trapped.set()

    def power_on(self):
        self.is_cut, self.trap = False, None
        self.trapped.clear()

    def close(self):
        os.close(self.disk)
        os.close(self.seen)
        self.seen_path.unlink()

    # ---- its cable

    def plug(self, path):
        """Waits in a thread for the one QEMU of this boot."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(1)
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def _serve(self, listener):
        with listener:
            peer, _ = listener.accept()
        with peer:
            try:
                wire = Wire(peer)
                if greet(wire, self.size):
                    while self._answer(wire):
                        pass
            except (Gone, OSError):
                pass

    def _answer(self, wire):
        magic, flags, kind, handle, at, n = wire.take(">IHHQQI")
        assert magic == 0x25609513
        data = wire.read(n) if kind == WRITE else b""
        with self.lock:
            if self.is_cut or kind == DISCONNECT:
                return False
            error, out = self._do(kind, flags, at, n, data)
            if self.is_cut:
                return False
            wire.put(">IIQ", 0x67446698, error, handle, more=out)
        return True

    def _do(self, kind, flags, at, n, data):
        if kind > FLUSH or at + n > self.size:
            return EINVAL, b""
        if kind == READ:
            return 0, self.read(at, n)
        if kind == WRITE:
            self.write(at, data)
        if kind == FLUSH or flags & FUA:
            had = bool(self.pending)
            if had:
                self._spring("before")
            if not self.is_cut:
                self.flush()
            if had:
                self._spring("behind")
        return 0, b""


class Wire:
    def __init__(self, peer):
        self.peer = peer

    def read(self, n):
        data = bytearray(n)
        view, got = memoryview(data), 0
        while got < n:
            if not (k := self.peer.recv_into(view[got:])):
                raise Gone
            got += k
        return bytes(data)

    def take(self, form):
        return struct.unpack(form, self.read(struct.calcsize(form)))

    def put(self, form, *values, more=b""):
        self.peer.sendall(struct.pack(form, *values) + more)


def greet(wire, size):
    """Fixed newstyle negotiation, until there is a disk; False: the client only asked."""
    flags = HAS_FLAGS | SEND_FLUSH | SEND_FUA
    wire.put(">8s8sH", b"NBDMAGIC", b"IHAVEOPT", 3)
    wire.take(">I")
    while True:
        _, option, n = wire.take(">8sII")
        wire.read(n)
        def reply(kind, data=b""):
            wire.put(">QIII", 0x3e889045565a9, option, kind, len(data), more=data)
        if option == OPTION_EXPORT_NAME:
            wire.put(">QH", size, flags)
            return True
        if option in (OPTION_INFO, OPTION_GO):
            reply(INFO, struct.pack(">HQH", 0, size, flags))
        reply(ACK if option in (OPTION_ABORT, OPTION_INFO, OPTION_GO) else UNSUPPORTED)
        if option == OPTION_GO:
            return True
        if option == OPTION_ABORT:
            return False


def test(tmp):
    """The disk itself: a flushed sector stays, others have one of the contents they were given."""
    image, old, new = tmp / "blank", b"\0" * SECTOR, b"n" * SECTOR
    image.write_bytes(old * 4096)
    disk = Disk(image, 1)
    for i in range(1024):
        disk.write(i * SECTOR, new)
    disk.flush()
    for i in range(1024, 2048):
        disk.write(i * SECTOR, new)
    for i in range(2048, 4096, 8):
        disk.write(i * SECTOR, new * 8)
    assert disk.read(2000 * SECTOR, SECTOR) == new
    fates = disk.cut()
    after = image.read_bytes()
    assert after == disk.read(0, len(after)) and after[:1024 * SECTOR] == new * 1024
    sectors = [after[i:i + SECTOR] for i in range(0, len(after), SECTOR)]
    assert set(sectors) == {old, new} and min(fates.values()) > 100 and sum(fates.values()) == 1024 + 256, fates
    assert 256 < sectors[1024:2048].count(new) < 512 and any(0 < sectors[i:i + 8].count(new) < 8 for i in range(2048, 4096, 8))
    disk.close()
