/* SPDX-License-Identifier: MIT
 * ctl_help.c - help at every level, out of the command table, the options and two lists. */
#include <errno.h>

#include "master/ctl.h"

enum { COLUMN_MAX = 26, LINE_WIDTH = 80, EXAMPLES = 3 };

const struct ctl_topic ctl_exits[CTL_EXIT_COUNT] = {
	[CTL_DONE] = { "done", "done; healthy; no difference" },
	[CTL_FAILED] = { "failed", "failed; also: config diff found differences" },
	[CTL_USAGE] = { "usage", "wrong usage: an unknown command or option, a bad value" },
	[CTL_NOT_RUNNING] = { "not_running", "the gateway is not running or cannot be reached" },
	[CTL_NOT_ALLOWED] = { "not_allowed", "not allowed, or the key is missing or wrong" },
	[CTL_NO_SUCH] = { "no_such_object", "there is no such object" },
	[CTL_CONFLICT] = { "conflict", "conflict: it exists already, or was changed meanwhile" },
	[CTL_TIMED_OUT] = { "timed_out", "timed out while waiting" },
	[CTL_CONFIG_INVALID] = { "config_invalid", "the configuration is invalid" },
	[CTL_DEGRADED] = { "degraded", "status and doctor: it runs, but something is degraded" },
};

static const struct ctl_topic ctl_environment[] = {
	{ "LLMGW_SOCKET", "control socket, when --socket is not given" },
	{ "LLMGW_URL", "address of a gateway, when neither --url nor a socket is given" },
	{ "LLMGW_KEY", "key for --url, when neither --key-file nor --key is given" },
	{ "XDG_RUNTIME_DIR", "where a gateway run by a user has its control socket" },
	{ "NO_COLOR", "no colours when set to anything" },
	{ "CLICOLOR", "no colours when 0" },
	{ "CLICOLOR_FORCE", "colours also into files and pipes, unless 0" },
	{ "TERM", "no colours when dumb" },
	{ "COLUMNS", "width of the terminal" },
	{ NULL, NULL },
};

static void pad(struct buf *to, size_t used, size_t width)
{
	for (size_t i = used; i < width; i++)
		buf_put_char(to, ' ');
}

/* "  name    text", the text wrapped under itself; a name too long has a line for itself. */
static void put_row(struct buf *to, struct str name, size_t width, const char *text)
{
	size_t at = width + 4;
	struct str rest = str_z(text);
	BUF_PUT_LIT(to, "  ");
	buf_put(to, name);
	if (name.n > width)
		buf_put_char(to, '\n');
	pad(to, name.n > width ? 0 : name.n + 2, at);
	for (size_t used = at; rest.n;) {
		struct str w = str_cut(&rest, ' ');
		if (used > at && used + 1 + w.n > LINE_WIDTH) {
			buf_put_char(to, '\n');
			pad(to, 0, at);
			used = at;
		}
		buf_put_z(to, used > at ? " " : "");
		buf_put(to, w);
		used += w.n + (used > at);
	}
	buf_put_char(to, '\n');
}

/* max_budget as --max-budget or MAX-BUDGET. */
static void put_name(struct buf *to, const char *name, bool upper)
{
	for (; *name; name++)
		buf_put_char(to, *name == '_' ? '-'
					       : (char)(upper && *name >= 'a' && *name <= 'z'
								? *name - 32
								: *name));
}

static const char *value_name(enum command_arg_type type)
{
	static const char *const names[] = {
		[ARG_STRING] = "TEXT", [ARG_INT] = "N", [ARG_MONEY] = "DOLLARS", [ARG_BOOL] = NULL,
		[ARG_LIST] = "A,B", [ARG_JSON] = "JSON", [ARG_DURATION] = "TIME",
	};
	return names[type];
}

void ctl_put_usage(struct buf *to, const struct command *c)
{
	bool has_options = false;
	buf_printf(to, "llmgwctl %s", c->words);
	for (const struct command_arg *a = c->args; a && a->name; a++)
		has_options |= !(a->flags & ARG_POSITIONAL);
	if (has_options)
		BUF_PUT_LIT(to, " [OPTION ...]");
	for (const struct command_arg *a = c->args; a && a->name; a++) {
		if (!(a->flags & ARG_POSITIONAL))
			continue;
		buf_put_z(to, a->flags & ARG_REQUIRED ? " " : " [");
		put_name(to, a->name, true);
		buf_put_z(to, a->type == ARG_LIST || (a->flags & ARG_REPEATED) ? " ..." : "");
		buf_put_z(to, a->flags & ARG_REQUIRED ? "" : "]");
	}
}

static void put_arg_name(struct buf *to, const struct command_arg *a)
{
	if (a->flags & ARG_POSITIONAL) {
		put_name(to, a->name, true);
		return;
	}
	BUF_PUT_LIT(to, "--");
	put_name(to, a->name, false);
	if (value_name(a->type))
		buf_printf(to, " %s", value_name(a->type));
}

static void put_args(struct buf *to, const struct command *c, bool positional)
{
	bool begun = false;
	size_t width = 0;
	for (int pass = 0; pass < 2; pass++) {
		for (const struct command_arg *a = c->args; a && a->name; a++) {
			struct buf name;
			if (!(a->flags & ARG_POSITIONAL) == positional)
				continue;
			buf_init(&name, 256);
			put_arg_name(&name, a);
			if (pass == 0 && name.n > width && name.n <= COLUMN_MAX)
				width = name.n;
			if (pass == 1 && !begun)
				buf_put_z(to, positional ? "\nArguments:\n" : "\nOptions:\n");
			if (pass == 1)
				put_row(to, buf_str(&name), width, a->doc);
			begun |= pass == 1;
			buf_done(&name);
		}
	}
}

static void put_command(struct buf *to, const struct command *c)
{
	buf_printf(to, "%s: %s\n\nUsage:\n  ", c->words, c->doc);
	ctl_put_usage(to, c);
	buf_put_char(to, '\n');
	put_args(to, c, true);
	put_args(to, c, false);
	if (c->flags & CMD_DESTROYS)
		BUF_PUT_LIT(to, "\nIt asks before it does so; --yes answers.\n");
	if (ctl_can_try(c))
		buf_printf(to, "%sWith --dry-run it only shows what it would be done to.\n",
			   c->flags & CMD_DESTROYS ? "" : "\n");
	if (c->example)
		buf_printf(to, "\nExample:\n  %s\n", c->example);
	if (c->path && !(c->flags & CMD_NO_HTTP))
		buf_printf(to, "\nBy HTTP: %s %s\n", c->method, c->path);
	BUF_PUT_LIT(to, "\nllmgwctl --help shows the options of every command.\n");
}

/* Names of commands: all, or those of one noun. */
static void put_commands(struct buf *to, struct str noun)
{
	size_t width = 0;
	for (size_t i = 0; i < commands_count; i++)
		if (strlen(commands[i].words) > width && ctl_is_shown(&commands[i]))
			width = strlen(commands[i].words);
	for (size_t i = 0; i < commands_count; i++)
		if (ctl_is_shown(&commands[i]) &&
		    (!noun.n || str_eq(noun, ctl_noun_of(&commands[i]))))
			put_row(to, str_z(commands[i].words), width, commands[i].doc);
	if (!noun.n) {
		put_row(to, STR("completion"), width, "print a completion script for a shell");
		put_row(to, STR("help"), width, "help on a command or topic");
	}
}

static void put_examples(struct buf *to, struct str noun)
{
	unsigned n = 0;
	BUF_PUT_LIT(to, "\nExamples:\n");
	for (size_t i = 0; i < commands_count && n < EXAMPLES; i++) {
		if (!ctl_is_shown(&commands[i]) || !str_eq(noun, ctl_noun_of(&commands[i])))
			continue;
		buf_printf(to, "  %s\n", commands[i].example);
		n++;
	}
}

static void put_noun(struct buf *to, struct str noun)
{
	const struct command *alone = ctl_default_of(noun);
	BUF_PUT_LIT(to, "Commands:\n");
	put_commands(to, noun);
	put_examples(to, noun);
	if (alone)
		buf_printf(to, "\n'llmgwctl " STR_FMT "' is short for 'llmgwctl %s'.\n",
			   STR_ARG(noun), alone->words);
	buf_printf(to, "\nllmgwctl " STR_FMT " COMMAND --help shows what one takes.\n",
		   STR_ARG(noun));
}

static void put_options(struct buf *to)
{
	for (size_t i = 0; i < ctl_options_count; i++) {
		const struct ctl_option *o = &ctl_options[i];
		struct buf name;
		buf_init(&name, 256);
		if (o->letter)
			buf_printf(&name, "-%c, ", o->letter);
		buf_printf(&name, "--%s", o->name);
		if (o->value)
			buf_printf(&name, " %s", o->value);
		put_row(to, buf_str(&name), 15, o->doc);
		buf_done(&name);
	}
}

static void put_all(struct buf *to)
{
	BUF_PUT_LIT(to, "llmgwctl: look after a running llmgw\n\n"
			"Usage:\n  llmgwctl [OPTION ...] COMMAND [ARGUMENT ...]\n\n"
			"Examples:\n"
			"  llmgwctl status\n"
			"  llmgwctl keys create --key-alias research --max-budget 50\n"
			"  llmgwctl spend report --group-by model --json\n\nCommands:\n");
	put_commands(to, STR(""));
	BUF_PUT_LIT(to, "\nOptions of every command:\n");
	put_options(to);
	BUF_PUT_LIT(to, "\nTopics: llmgwctl help exit-codes, llmgwctl help environment.\n"
			"A noun alone means its list: llmgwctl keys. Lists take commas or are "
			"repeated;\n'none' takes a limit away. The manual is llmgwctl(1).\n");
}

static void ctl_put_exit_codes(struct buf *to)
{
	for (unsigned i = 0; i < CTL_EXIT_COUNT; i++)
		buf_printf(to, "  %3u  %s\n", i, ctl_exits[i].doc);
	BUF_PUT_LIT(to, "  130  interrupted\n");
}

static void put_environment(struct buf *to)
{
	for (const struct ctl_topic *t = ctl_environment; t->name; t++)
		put_row(to, str_z(t->name), 15, t->doc);
}

static void put_completion_help(struct buf *to)
{
	BUF_PUT_LIT(to, "completion: print a completion script for a shell\n\n"
			"Usage:\n  llmgwctl completion bash|zsh|fish\n\n"
			"Example:\n  . <(llmgwctl completion bash)\n");
}

int ctl_put_help(struct buf *to, struct str topic)
{
	const struct command *c = ctl_find(topic);
	if (c)
		put_command(to, c);
	else if (!topic.n || str_eq_z(topic, "help"))
		put_all(to);
	else if (str_eq_z(topic, "--mdoc"))
		ctl_put_mdoc(to);
	else if (str_eq_z(topic, "exit-codes"))
		ctl_put_exit_codes(to);
	else if (str_eq_z(topic, "environment"))
		put_environment(to);
	else if (str_eq_z(topic, "completion"))
		put_completion_help(to);
	else if (ctl_is_noun(topic))
		put_noun(to, topic);
	else
		return -ENOENT;
	return 0;
}
