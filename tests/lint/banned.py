#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""banned - functions and includes that have one place or none. See tests/README.md."""
import re

from source import PRODUCT, Complaints, bare, files, line_of, name, text

ANYWHERE = {  # in tests too: what to use instead
    "strcpy": "str_*, buf_*", "strcat": "buf_*", "sprintf": "snprintf, buf_printf", "strtok": "str_cut",
    "vsprintf": "vsnprintf", "gets": "nothing", "atoi": "str_read_*", "strncpy": "memcpy", "alloca": "an arena",
    "system": "fork and exec", "popen": "fork and exec", "rand": "hash_random_*", "localtime": "localtime_r",
    "gmtime": "gmtime_r", "ctime": "clock_rfc3339", "asctime": "clock_rfc3339", "gethostbyname": "getaddrinfo",
    "inet_aton": "inet_pton", "inet_addr": "inet_pton", "scanf": "str_read_*", "tmpnam": "a folder of one's own",
    "tempnam": "a folder of one's own", "mktemp": "a folder of one's own",
}
PLACES = {  # in product code: what may do harm has a place where somebody has looked at it
    "chmod": "master/control_socket.c", "chown": "master/control_socket.c", "lchown": "", "fork": "", "vfork": "", "execvp": "",
    "execl": "", "execv": "master/upgrade.c", "execve": "", "dlopen": "master/ctl_pg.c", "ptrace": "", "setjmp": "common/json.c",
    "longjmp": "common/json.c", "readlink": "master/(upgrade|options|ctl_doctor).c", "putenv": "master/zone.c",
    "sqlite3_exec": "master/store_sql.c", "umask": "master/main.c",
}
# Texts of SQL that are put together: each file puts in what it has itself, or quotes, and binds the rest.
SQL_PARTS = {
    "master/spend_logs.c": "a column to sort by, of its own table", "master/keys_list.c": "tables, conditions and an order, of its own tables",
    "master/tenants_show.c": "an order, of its own table",
    "master/spend_tags.c": "a direction of sorting, of its own", "master/teams_show.c": "an order, of its own table",
    "master/store_audit.c": "names of our tables and columns, at the start", "master/spend_where.c": "numbers of parameters",
    "master/ctl_pg.c": "identifiers, quoted; another's database, by its owner",
}
SQL = re.compile(r'"(?:\\.|[^"\\\n])*\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|WHERE|ORDER BY|FROM)\b(?:\\.|[^"\\\n])*"')
PRODUCT_ONLY = {"sleep": "a timer", "usleep": "a timer"}  # a test of processes may wait for them
HEAP = ("malloc", "calloc", "realloc", "strdup", "strndup", "reallocarray", "free")
IN_MEM = {"common/block.c"}
INCLUDES = {  # header -> where it may be included
    "curl/curl.h": r"worker/exchange/upstream(_private\.h|\.c)|worker/main\.c|master/(main|probe|post|doctor_\w+|llmgwctl|ctl\w*)\.c|master/egress\.[ch]|common/curl_why\.[ch]",
    "sqlite3.h": r"master/(store|ledger)\w*\.[ch]",
    "yajl/\\w+.h": r"common/json\w*\.c",
    "libfyaml.h": r"master/config\w*\.[ch]",
    "cjose/\\w+.h": r"worker/decide/jws\.c",
    "openssl/\\w+.h": r"worker/(client/tls|exchange/jwt)\.c|common/(tls_pair|curl_why)\.c",
    "seccomp.h": r"common/sandbox_calls\.c",
    "llhttp.h": r"worker/client/http_in\.c",
    "libsmartcols.*": r"master/ctl_table\.c",
    "libpq-fe.h": r"master/ctl_pg\.c",
    "zlib.h": r"master/(texts_pack|post)\.c",
    "sodium.h": r"common/(hash|mem)\.c|master/seal\.c|worker/decide/jws\.c|worker/client/vector\.c",  # there: base64
}
PHRASES = {  # in product code, strings aside
    r"\bllhttp_set_lenient": "llhttp stays strict",
    r"VERIFY(PEER|HOST),\s*0": "certificates are always checked",
    r"CURLOPT_FOLLOWLOCATION,\s*1": "redirections are never followed",
    r"#\s*pragma\s+GCC\s+diagnostic": "warnings are repaired, not silenced",
}


def check(path, out):
    whole = text(path)
    code = bare(whole)
    where = name(path)
    is_product = where.split("/")[0] in PRODUCT
    banned = dict(ANYWHERE)
    if is_product:
        banned.update(PRODUCT_ONLY)
    if is_product and where not in IN_MEM:
        banned.update(dict.fromkeys(HEAP, "common/mem.h"))
    for m in re.finditer(r"(?<![\w.>])(\w+)\s*\(", code):
        if m.group(1) in banned:
            out.add(path, line_of(code, m.start()), f"{m.group(1)}() is banned: use {banned[m.group(1)]}")
    if not is_product:
        return
    for m in re.finditer(r"(?<![\w.>])(\w+)\(", code):
        if not re.fullmatch(PLACES.get(m.group(1), ".*"), where):
            out.add(path, line_of(code, m.start()), f"{m.group(1)}() is for {PLACES[m.group(1)] or 'nobody'} alone")
    for m in SQL.finditer(bare(whole, keep_strings=True)):
        if re.search(r"%(?:\.\*)?s|\" STR_FMT", m.group() + whole[m.end():m.end() + 9]) and where not in SQL_PARTS:
            out.add(path, line_of(whole, m.start()), "a text of SQL is put together: bind what goes into it")
    for m in re.finditer(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', whole, re.M):
        for header, allowed in INCLUDES.items():
            if re.fullmatch(header, m.group(1)) and not re.fullmatch(allowed, where):
                out.add(path, line_of(whole, m.start()), f"{m.group(1)} is for {allowed} alone")
    for phrase, why in PHRASES.items():
        for m in re.finditer(phrase, code):
            out.add(path, line_of(code, m.start()), f"{m.group()}: {why}")


complaints = Complaints()
for source in files(*PRODUCT, "tests"):
    check(source, complaints)
complaints.done()
