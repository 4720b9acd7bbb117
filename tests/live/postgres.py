# SPDX-License-Identifier: MIT
"""A PostgreSQL server of a test's own, where Debian's `postgresql` is installed: on a free port of
127.0.0.1, in a folder that goes with it."""
import glob
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

from gateway import free_port

PASSWORD = "pa:ss@word-canary"
QUOTED = "pa%3Ass%40word-canary"


def programs():
    """The folder of initdb and postgres; None: they are not here."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb")) + glob.glob("/usr/bin/initdb")
    return pathlib.Path(found[-1]).parent if found else None


class Postgres:
    def __init__(self):
        self.bin = programs()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="llmgw-pg-"))
        self.who = {}
        if os.geteuid() == 0:                       # it does not run as root
            user = pwd.getpwnam("postgres")
            self.who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(self.dir, user.pw_uid, user.pw_gid)
        (self.dir / "password").write_text(PASSWORD)
        (self.dir / "password").chmod(0o644)
        self.port = free_port()
        self.do("initdb", "-D", self.dir / "data", "-U", "litellm", "-A", "scram-sha-256", "-E", "UTF8", "-N",
                "--locale=C", f"--pwfile={self.dir / 'password'}")
        self.do("pg_ctl", "-D", self.dir / "data", "-w", "-l", self.dir / "log", "-o",
                f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self.dir} -c fsync=off",
                "start")

    def do(self, program, *args, **kw):
        return subprocess.run([str(self.bin / program), *map(str, args)], check=True, capture_output=True, text=True,
                              cwd="/", timeout=60, **{**self.who, **kw})

    def sql(self, text, database="postgres"):
        return self.do("psql", "-v", "ON_ERROR_STOP=1", "-qAt", "-h", "127.0.0.1", "-p", self.port, "-U", "litellm",
                       "-d", database, input=text, env={**os.environ, "PGPASSWORD": PASSWORD}).stdout

    def url(self, database="litellm", password=QUOTED, user="litellm", more=""):
        who = f"{user}:{password}" if password else user
        return f"postgresql://{who}@127.0.0.1:{self.port}/{database}{more}"

    def close(self):
        self.do("pg_ctl", "-D", self.dir / "data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.dir, ignore_errors=True)
