#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""banned - functions and includes that have one place or none. See tests/README.md."""
import re

from source import PRODUCT, Complaints, bare, files, line_of, name, text

ANYWHERE = {  # in tests too: what to use instead
    "strcpy": "str_*, buf_*", "strcat": "buf_*", "sprintf": "snprintf, buf_printf", "strtok": "str_cut",
    "vsprintf": "vsnprintf", "gets": "nothing", "atoi": "str_read_*", "strncpy": "memcpy", "alloca": "an arena",
    "system": "fork and exec", "popen": "fork and exec", "rand": "hash_random_*", "localtime": "localtime_r",
}
PRODUCT_ONLY = {"sleep": "a timer", "usleep": "a timer"}  # a test of processes may wait for them
HEAP = ("malloc", "calloc", "realloc", "strdup", "strndup", "reallocarray", "free")
IN_MEM = {"common/mem.c"}
INCLUDES = {  # header -> where it may be included
    "curl/curl.h": r"worker/exchange/upstream(_private\.h|\.c)|worker/main\.c|master/(main|probe|post|egress|doctor_\w+|llmgwctl|ctl\w*)\.c",
    "sqlite3.h": r"master/(store|ledger)\w*\.[ch]",
    "yajl/\\w+.h": r"common/json\w*\.c",
    "libfyaml.h": r"master/config\w*\.[ch]",
    "cjose/\\w+.h": r"worker/decide/jws\.c",
    "openssl/\\w+.h": r"worker/(client/tls|exchange/jwt)\.c|common/tls_pair\.c",
    "seccomp.h": r"common/sandbox_calls\.c",
    "llhttp.h": r"worker/client/http_in\.c",
    "libsmartcols.*": r"master/ctl_table\.c",
    "libpq-fe.h": r"master/ctl_pg\.c",
    "zlib.h": r"master/texts_pack\.c",
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
