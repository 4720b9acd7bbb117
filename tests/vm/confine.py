# SPDX-License-Identifier: MIT
"""AppArmor's profile, enforced in a kernel that has it, from installing the package to purging it."""
import shutil
import sys

import image
from vm import Machine

sys.path.insert(0, str(image.TREE / "tests/packages"))
from conftest import repack     # noqa: E402


def run(tmp, parts, debs, disk_of, accel, say):
    given, deb = tmp / "given", image.find_deb(debs, "llmgw_")
    given.mkdir()
    for name, path in (("apparmor.deb", parts / "apparmor.deb"), ("busybox", parts / "busybox"), ("llmgw.deb", deb),
                       ("llmgw-mock.deb", image.find_deb(debs, "llmgw-mock_"))):
        shutil.copy(path, given / name)
    repack(deb, given / "next.deb", "99.1")
    image.lay(tmp / "root", given)
    image.make_disk(tmp / "root", tmp / "disk")
    machine = Machine(tmp, parts, disk_of(tmp / "disk"), "apparmor-all", 300, accel)
    try:
        machine.wait("OVER")
        machine.wait_off()
    finally:
        machine.end()
        steps = [value for word, value in machine.lines if word == "STEP"]
        for name, outcome in steps:
            say(f"  {name}: {outcome}")
    for line in next(value for word, value in machine.lines if word == "REFUSED"):
        say(f"    {line}")
    assert steps and all(outcome == "ok" for _, outcome in steps)
