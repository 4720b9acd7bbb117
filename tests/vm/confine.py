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
    machine = Machine(tmp, parts, disk_of(tmp / "disk"), "apparmor-all", 900, accel)
    try:
        machine.wait("OVER")
        machine.wait_off()
    finally:
        machine.end()
        steps = [value for word, value in machine.lines if word == "STEP"]
        for name, outcome, seconds in steps:
            say(f"  {name}: {outcome} ({seconds:.0f} s)")
    assert len(steps) > 10
    if any(outcome != "ok" for _, outcome, _ in steps):
        raise AssertionError("\n".join(value for word, lines in machine.lines if word == "REFUSED" for value in lines))
