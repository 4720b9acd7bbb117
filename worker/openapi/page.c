/* SPDX-License-Identifier: MIT
 * page.c - the same as a page for people: one file, no script, nothing from elsewhere. Its header
 * content-security-policy allows the one style sheet that it has, by its hash, and no more. */
#include "worker/openapi/openapi.h"

#include <stdio.h>

#include "common/hash.h"

static const char style[] =
	"body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60em;padding:1em;"
	"color:#222;background:#fff}"
	"h2{margin:1.5em 0 .3em;text-transform:capitalize}"
	"details{border-bottom:1px solid #ddd}summary{padding:.3em 0;cursor:pointer}"
	"summary b{display:inline-block;width:5em;font-size:.8em}"
	"code{font-size:.95em;overflow-wrap:anywhere}"
	"table{border-collapse:collapse;margin:.3em 0 1em 1em;font-size:.9em}"
	"td,th{text-align:left;padding:.15em .8em .15em 0;vertical-align:top}"
	"pre{margin:.3em 0 1em 1em;overflow-x:auto}i{color:#666}"
	"@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}"
	"details{border-color:#444}i{color:#aaa}a{color:#8bf}}";

static void put_escaped(struct buf *out, const char *z)
{
	for (; *z; z++) {
		switch (*z) {
		case '<':
			BUF_PUT_LIT(out, "&lt;");
			break;
		case '>':
			BUF_PUT_LIT(out, "&gt;");
			break;
		case '&':
			BUF_PUT_LIT(out, "&amp;");
			break;
		case '"':
			BUF_PUT_LIT(out, "&quot;");
			break;
		default:
			buf_put_char(out, *z);
		}
	}
}

static void put_row(struct buf *out, const char *name, const char *type, bool is_needed,
		    const char *doc)
{
	BUF_PUT_LIT(out, "<tr><td><code>");
	put_escaped(out, name);
	BUF_PUT_LIT(out, "</code><td><i>");
	put_escaped(out, type ? type : "any");
	buf_put_z(out, is_needed ? ", needed</i><td>" : "</i><td>");
	put_escaped(out, doc);
	BUF_PUT_LIT(out, "\n");
}

static void put_command(struct buf *out, const struct command *c)
{
	BUF_PUT_LIT(out, "<p>");
	put_escaped(out, c->doc);
	BUF_PUT_LIT(out, "\n<table>\n");
	for (const struct command_arg *a = c->args; a && a->name; a++)
		put_row(out, a->name, openapi_type(a->type), a->flags & ARG_REQUIRED, a->doc);
	BUF_PUT_LIT(out, "</table>\n");
	if (c->flags & CMD_NO_CTL)
		return;
	BUF_PUT_LIT(out, "<pre>");
	put_escaped(out, c->example);
	BUF_PUT_LIT(out, "</pre>\n");
}

static void put_body(struct buf *out, const struct body *b)
{
	BUF_PUT_LIT(out, "<table>\n");
	for (const struct field *f = b->fields; f->name; f++)
		put_row(out, f->name, openapi_field_type(f->type), f->is_needed, f->doc);
	BUF_PUT_LIT(out, "</table>\n");
	if (!b->example)
		return;
	BUF_PUT_LIT(out, "<pre>");
	put_escaped(out, b->example);
	BUF_PUT_LIT(out, "</pre>\n");
}

static void put_endpoint(struct buf *out, const struct endpoint *e)
{
	const struct command *c = openapi_command(e);
	const struct body *b = body_of(e);
	BUF_PUT_LIT(out, "<details><summary><b>");
	put_escaped(out, e->method[0] == '*' ? "any" : e->method);
	BUF_PUT_LIT(out, "</b> <code>");
	put_escaped(out, e->path);
	BUF_PUT_LIT(out, "</code> ");
	put_escaped(out, e->doc);
	buf_put_z(out, e->flags & EP_ADMIN ? " <i>administrator's key</i>" :
		       e->flags & EP_KEY ? "" : " <i>no key</i>");
	BUF_PUT_LIT(out, "</summary>\n");
	if (c)
		put_command(out, c);
	else if (b)
		put_body(out, b);
	BUF_PUT_LIT(out, "</details>\n");
}

static bool is_tagged(size_t at, struct str tag)
{
	return str_eq(str_z(openapi_tag(&endpoints[at])), tag);
}

static bool is_first_of_tag(size_t at)
{
	char tag[32];
	snprintf(tag, sizeof tag, "%s", openapi_tag(&endpoints[at]));
	for (size_t i = 0; i < at; i++)
		if (is_tagged(i, str_z(tag)))
			return false;
	return true;
}

static void put_group(struct buf *out, size_t first)
{
	char tag[32];
	snprintf(tag, sizeof tag, "%s", openapi_tag(&endpoints[first]));
	BUF_PUT_LIT(out, "<h2>");
	put_escaped(out, tag);
	BUF_PUT_LIT(out, "</h2>\n");
	for (size_t i = first; i < endpoints_count; i++)
		if (is_tagged(i, str_z(tag)))
			put_endpoint(out, &endpoints[i]);
}

void openapi_write_page(struct buf *out)
{
	BUF_PUT_LIT(out, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
			 "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
			 "<title>llmgw</title>\n<style>");
	buf_put(out, str_of(style, sizeof style - 1));
	BUF_PUT_LIT(out, "</style>\n<h1>llmgw</h1>\n<p>A gateway to models of any provider. The same "
			 "for programs: <a href=\"/openapi.json\">/openapi.json</a>. A key goes into "
			 "<code>authorization: Bearer sk-...</code>.\n");
	for (size_t i = 0; i < endpoints_count; i++)
		if (is_first_of_tag(i))
			put_group(out, i);
	BUF_PUT_LIT(out, "</html>\n");
}

void openapi_write_policy(struct buf *out)
{
	char text[64] = "";
	struct sha256 h = hash_sha256(str_of(style, sizeof style - 1));
	if (!hash_base64(text, sizeof text, str_of((const char *)h.b, sizeof h.b)))
		out->failed = true;
	buf_printf(out, "default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; "
			"form-action 'none'; frame-ancestors 'none'", text);
}
