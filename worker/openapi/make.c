/* SPDX-License-Identifier: MIT
 * make.c - openapi-make DIRECTORY: writes openapi.json, docs.html, docs.policy, and openapi.S,
 * which carries their bytes into the worker. */
#include "worker/openapi/openapi.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/hash.h"

enum { FILE_MAX = 16 << 20 };

static FILE *create(const char *dir, const char *name, char path[4096])
{
	int n = snprintf(path, 4096, "%s/%s", dir, name);
	FILE *f = n < 4096 ? fopen(path, "w") : NULL;
	if (!f) {
		fprintf(stderr, "openapi-make: cannot write %s\n", path);
		exit(1);
	}
	return f;
}

static void write_file(const char *dir, const char *name, void (*write)(struct buf *out))
{
	char path[4096];
	struct buf text;
	FILE *f = create(dir, name, path);
	buf_init(&text, FILE_MAX);
	write(&text);
	bool is_well = !text.failed && fwrite(text.p, 1, text.n, f) == text.n;
	is_well = fclose(f) == 0 && is_well;
	buf_done(&text);
	if (!is_well) {
		fprintf(stderr, "openapi-make: cannot write %s\n", path);
		exit(1);
	}
}

static void put_blob(struct buf *out, const char *dir, const char *name, const char *file)
{
	buf_printf(out, "\t.global %s\n%s:\n\t.incbin \"%s/%s\"\n\t.global %s_end\n%s_end:\n\t.byte 0\n",
		   name, name, dir, file, name, name);
}

static const char *out_dir;

static void write_carrier(struct buf *out)
{
	BUF_PUT_LIT(out, "\t.section .rodata\n");
	put_blob(out, out_dir, "blob_openapi", "openapi.json");
	put_blob(out, out_dir, "blob_docs", "docs.html");
	put_blob(out, out_dir, "blob_docs_policy", "docs.policy");
	BUF_PUT_LIT(out, "\t.section .note.GNU-stack,\"\",%progbits\n");
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: openapi-make DIRECTORY\n", stderr);
		return 2;
	}
	if (hash_init() != 0)
		return 1;
	out_dir = argv[1];
	write_file(out_dir, "openapi.json", openapi_write_document);
	write_file(out_dir, "docs.html", openapi_write_page);
	write_file(out_dir, "docs.policy", openapi_write_policy);
	write_file(out_dir, "openapi.S", write_carrier);
	return 0;
}
