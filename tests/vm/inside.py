# SPDX-License-Identifier: MIT
"""Runs in the virtual machine, as root, when it has booted: the story that the kernel's command
line names. say() tells it to the world outside, line by line and at once."""
import importlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, "/tree/tests/live")

GIVEN, CONFIG, ENV = pathlib.Path("/given"), pathlib.Path("/etc/llmgw/llmgw.yaml"), pathlib.Path("/etc/llmgw/llmgw.env")
DATABASE = pathlib.Path("/var/lib/llmgw/llmgw.db")
PORT = 4000


def port():
    for name in pathlib.Path("/sys/class/virtio-ports").glob("*/name"):
        if name.read_text().strip() == "port":
            return os.open(f"/dev/{name.parent.name}", os.O_WRONLY)
    raise AssertionError("this machine has no port to speak on")


PORT_FD = None


def say(word, value=None):
    """One write a line: lines of several threads do not mix."""
    os.write(PORT_FD, f"{word} {json.dumps(value)}\n".encode())


def sh(command, check=True, timeout=120):
    p = subprocess.run(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       stdin=subprocess.DEVNULL, timeout=timeout)
    if check and p.returncode:
        raise AssertionError(f"{command}: {p.returncode}\n{p.stdout[-3000:]}")
    return p


def show(what):
    return sh(f"systemctl show -p {what} --value llmgw").stdout.strip()


class Service:
    """What the live tests' Load and Streams ask of a gateway."""
    port = PORT

    @property
    def master_key(self):
        return re.search(r"^LLMGW_MASTER_KEY=(.*)$", ENV.read_text(), re.M)[1]

    def ctl(self, *args):
        return subprocess.run(["llmgwctl", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    def ctl_json(self, *args):
        p = self.ctl("--json", *args)
        assert p.returncode == 0, (args, p.stdout)
        return json.loads(p.stdout)


def start_mock():
    sh("systemd-run --unit mock llmgw-mock --port 8000")


def main():
    global PORT_FD
    PORT_FD = port()
    story = re.search(r"llmgw\.story=(\S+)", pathlib.Path("/proc/cmdline").read_text())[1]
    say("BOOTED", {"uptime": time.monotonic(), "story": story})
    sys.modules["inside"] = sys.modules["__main__"]
    name, _, how = story.partition("-")
    importlib.import_module(f"inside_{name}").tell(how)


if __name__ == "__main__":
    main()
