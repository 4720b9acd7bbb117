/* SPDX-License-Identifier: MIT
 * ctl_mdoc.c - the part of llmgwctl(1) that the command table knows: stands between the lines
 * "BEGIN generated" and "END generated" of man/llmgwctl.1, which a test compares. */
#include "master/ctl.h"

/* A sentence of its own on a text line: nothing in it is taken for a request. */
static void put_sentence(struct buf *to, const char *text)
{
	struct str s = str_z(text);
	if (s.n && (s.p[0] == '.' || s.p[0] == '\''))
		BUF_PUT_LIT(to, "\\&");
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '\\')
			BUF_PUT_LIT(to, "\\e");
		else
			buf_put_char(to, i == 0 && c >= 'a' && c <= 'z' ? (char)(c - 32) : c);
	}
	buf_put_z(to, s.n && s.p[s.n - 1] == '.' ? "\n" : ".\n");
}

static void put_arg(struct buf *to, const struct command_arg *a)
{
	static const char *const values[] = {
		[ARG_STRING] = "text", [ARG_INT] = "n", [ARG_MONEY] = "dollars", [ARG_BOOL] = NULL,
		[ARG_LIST] = "a,b", [ARG_JSON] = "json", [ARG_DURATION] = "time",
	};
	bool positional = a->flags & ARG_POSITIONAL;
	buf_put_z(to, positional ? ".It Ar " : ".It Fl -");
	ctl_put_dashed(to, a->name);
	if (!positional && values[a->type])
		buf_printf(to, " Ar %s", values[a->type]);
	if (positional && (a->type == ARG_LIST || (a->flags & ARG_REPEATED)))
		BUF_PUT_LIT(to, " ...");
	buf_put_char(to, '\n');
	put_sentence(to, a->doc);
}

static void put_synopsis(struct buf *to, const struct command *c)
{
	bool has_options = false;
	buf_printf(to, ".It Ic %s", c->words);
	for (const struct command_arg *a = c->args; a && a->name; a++)
		has_options |= !(a->flags & ARG_POSITIONAL);
	if (has_options)
		BUF_PUT_LIT(to, " Op Ar option ...");
	for (const struct command_arg *a = c->args; a && a->name; a++) {
		if (!(a->flags & ARG_POSITIONAL))
			continue;
		buf_put_z(to, a->flags & ARG_REQUIRED ? " Ar " : " Op Ar ");
		ctl_put_dashed(to, a->name);
		buf_put_z(to, a->type == ARG_LIST || (a->flags & ARG_REPEATED) ? " ..." : "");
	}
	buf_put_char(to, '\n');
}

static void put_command(struct buf *to, const struct command *c)
{
	put_synopsis(to, c);
	put_sentence(to, c->doc);
	if (c->flags & CMD_DESTROYS)
		BUF_PUT_LIT(to, "It asks first; see\n.Fl -yes .\n");
	if (ctl_can_try(c))
		BUF_PUT_LIT(to, "It takes\n.Fl -dry-run .\n");
	if (c->args && c->args[0].name) {
		BUF_PUT_LIT(to, ".Bl -tag -width Ds -compact\n");
		for (const struct command_arg *a = c->args; a->name; a++)
			put_arg(to, a);
		BUF_PUT_LIT(to, ".El\n");
	}
	if (c->path && !(c->flags & CMD_NO_HTTP))
		buf_printf(to, "By HTTP:\n.Ql %s %s .\n", c->method, c->path);
	if (c->example)
		buf_printf(to, "Example:\n.Dl %s\n", c->example);
}

void ctl_put_mdoc(struct buf *to)
{
	BUF_PUT_LIT(to, ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < commands_count; i++)
		if (ctl_is_shown(&commands[i]))
			put_command(to, &commands[i]);
	BUF_PUT_LIT(to, ".El\n");
}
