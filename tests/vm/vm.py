# SPDX-License-Identifier: MIT
"""A virtual machine: one QEMU, which ends when the guest powers off or its power is cut.

Nothing is between it and the world but a disk, a console that is only written, and a port on which
the guest tells what happened. Port and console are files here, and outlive every power cut."""
import json
import signal
import subprocess
import time

# A machine that is itself a guest may have a /dev/kvm on which nothing runs: it is asked for, not found.
ACCELERATORS = {"tcg": ("-accel", "tcg,thread=multi", "-cpu", "max"),
                "kvm": ("-accel", "kvm", "-cpu", "host,-arch-capabilities")}


class Machine:
    def __init__(self, tmp, parts, disk, story, seconds, accel="tcg"):
        self.port, self.console, self.disk, self.seconds = tmp / "port", tmp / "console", disk, seconds
        self.began, self.at, self.rest, self.lines, self.seen = time.monotonic(), 0, b"", [], 0
        socket = tmp / "disk.sock"
        socket.unlink(missing_ok=True)
        self.port.write_bytes(b"")
        disk.plug(socket)
        # no_timer_check: where this process gets no processor for a while, the kernel takes its timers for broken.
        words = ("root=/dev/vda rw console=ttyS0 no_timer_check nowatchdog rcupdate.rcu_cpu_stall_suppress=1 quiet loglevel=4 mitigations=off "
                 f"panic=-1 systemd.show_status=0 systemd.mask=systemd-journal-flush.service llmgw.story={story}")
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-machine", "q35",
             *ACCELERATORS[accel],
             "-smp", "2", "-m", "1024", "-nic", "none", "-serial", f"file:{self.console}",
             "-device", "virtio-serial-pci", "-chardev", f"file,id=port,path={self.port},append=on",
             "-device", "virtserialport,chardev=port,name=port",
             "-drive", f"file=nbd:unix:{socket},format=raw,if=none,id=disk,cache=writeback",
             "-device", "virtio-blk-pci,drive=disk,physical_block_size=4096", "-kernel", parts / "vmlinuz", "-initrd", parts / "initrd",
             "-append", words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    # ---- what the guest says: a line is a word and JSON

    def read(self):
        """New lines, as (word, value), are added to `lines`."""
        with open(self.port, "rb") as f:
            f.seek(self.at)
            data = f.read()
        self.at += len(data)
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            word, _, value = line.partition(b" ")
            self.lines.append((word.decode(), json.loads(value or b"null")))

    def wait(self, word):
        """The value of the next line with this word, behind that of the wait before."""
        while True:
            ended = self.process.poll() is not None
            self.read()
            while self.seen < len(self.lines):
                got, value = self.lines[self.seen]
                self.seen += 1
                if got == word:
                    return value
            assert not ended, f"the machine ended before it said {word}: {self.told()}"
            assert time.monotonic() < self.began + self.seconds, f"no {word} in {self.seconds} s: {self.told()}"
            time.sleep(0.02)

    def told(self):
        """The end of what it said, for a test that fails."""
        self.read()
        out = self.process.stdout.read().decode(errors="replace") if self.process.poll() is not None else ""
        console = self.console.read_text(errors="replace") if self.console.exists() else ""
        return f"{self.lines[-8:]}\n{console[-4000:]}\n{out}"

    # ---- its end

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def cut(self, where="now"):
        """In one instant: the processors first, then the disk, then all that is left. `where`: "now",
        or "before" or "behind" a flush, of which there is one soon."""
        if where != "now":
            self.disk.lay_trap(where, self.freeze)
            assert self.disk.trapped.wait(60), f"nothing is flushed: {self.told()}"
        self.freeze()
        fates = self.disk.cut()
        self.end()
        self.read()
        return fates

    def wait_off(self):
        while self.process.poll() is None:
            assert time.monotonic() < self.began + self.seconds, f"it does not power off: {self.told()}"
            time.sleep(0.02)
        self.read()
        self.process.stdout.close()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
