/* SPDX-License-Identifier: MIT
 * ctl_parse.c - an argument vector to a request: options of every command, a command's words,
 * its own options and its positional arguments, which may stand in any order.
 *
 * The words are found first, for only they tell which options take a value. Behind them an
 * option of the command wins over one of llmgwctl that has the same name. */
#include "master/ctl.h"

enum { WORDS_MAX = 3, TIMEOUT_MS = 120000 };

struct parse {
	struct arena *mem;
	const char *cwd;
	int argc;
	char *const *argv;
	struct ctl_request *ret;
	struct ctl_error *reterr;
	int words[WORDS_MAX];		/* where they stand in argv */
	int n_words, used_words;	/* found; part of the command's name */
	struct ctl_value *values;
	size_t n_values;
	bool failed;
};

static struct str printable(struct parse *p, struct str s)
{
	struct buf b;
	buf_init(&b, 4096);
	ctl_put_safe(&b, str_of(s.p, s.n > 200 ? 200 : s.n));
	struct str shown = arena_dup(p->mem, buf_str(&b));
	buf_done(&b);
	return shown;
}

static void fail(struct parse *p, struct str message, struct str next)
{
	if (p->failed)
		return;				/* the first mistake is the one told */
	p->failed = true;
	*p->reterr = (struct ctl_error){ CTL_USAGE, message, next };
}

static struct str see_help(struct parse *p, struct str topic)
{
	return topic.n ? arena_printf(p->mem, "llmgwctl " STR_FMT " --help", STR_ARG(topic))
		       : STR("llmgwctl --help");
}

static struct str did_you_mean(struct parse *p, const struct ctl_near *near, const char *prefix,
			       struct str topic)
{
	if (!near->best.n)
		return see_help(p, topic);
	return arena_printf(p->mem, "did you mean %s" STR_FMT "?", prefix, STR_ARG(near->best));
}

/* ---- options ---- */

/* "--name=value" into its halves; value.p == NULL without '='. */
static struct str split_option(const char *token, struct str *ret_value)
{
	struct str s = str_skip(str_z(token), 2);
	struct str name = str_cut(&s, '=');
	*ret_value = s;
	return name;
}

static bool is_long(const char *token)
{
	return token[0] == '-' && token[1] == '-' && token[2];
}

static bool is_short(const char *token)
{
	return token[0] == '-' && token[1] && token[1] != '-' &&
	       !(token[1] >= '0' && token[1] <= '9') && token[1] != '.';
}

static bool is_end_of_options(const char *token)
{
	return strcmp(token, "--") == 0;
}

/* The value of the option at *at, which may be the next token. NULL: there is none. */
static const char *value_of(struct parse *p, int *at, struct str behind)
{
	if (behind.p)
		return behind.p;		/* ends where the token ends */
	if (*at + 1 >= p->argc || is_long(p->argv[*at + 1]) ||
	    is_end_of_options(p->argv[*at + 1]))
		return NULL;
	return p->argv[++*at];
}

static void take_option(struct parse *p, int *at, const struct ctl_option *opt, struct str behind)
{
	const char *value = "";
	if (!opt->value && behind.p) {
		fail(p, arena_printf(p->mem, "--%s takes no value", opt->name),
		     see_help(p, STR("")));
		return;
	}
	if (opt->value)
		value = value_of(p, at, behind);
	if (!value)
		fail(p, arena_printf(p->mem, "--%s needs a value: %s", opt->name, opt->value),
		     see_help(p, STR("")));
	else if (ctl_option_set(&p->ret->opt, opt, value) != 0)
		fail(p, arena_printf(p->mem, "--%s: '" STR_FMT "' is not what it takes: %s",
				     opt->name, STR_ARG(printable(p, str_z(value))), opt->doc),
		     see_help(p, STR("")));
}

static void take_letters(struct parse *p, const char *token)
{
	for (const char *c = token + 1; *c; c++) {
		const struct ctl_option *opt = ctl_option_letter(*c);
		if (!opt) {
			fail(p, arena_printf(p->mem, "there is no option '" STR_FMT "'",
					     STR_ARG(printable(p, str_z(token)))),
			     see_help(p, STR("")));
			return;
		}
		take_option(p, NULL, opt, STR_NONE);	/* no option with a letter has a value */
	}
}

/* ---- words ---- */

/* Collects the leading words, stepping over options of every command, until an option of a
 * command stands there. */
static void find_words(struct parse *p)
{
	for (int i = 0; i < p->argc && p->n_words < WORDS_MAX; i++) {
		const char *token = p->argv[i];
		if (is_end_of_options(token))
			return;
		if (is_long(token)) {
			struct str value;
			const struct ctl_option *opt = ctl_option_find(split_option(token, &value));
			if (!opt)
				return;
			i += opt->value && !value.p;
		} else if (!is_short(token)) {
			p->words[p->n_words++] = i;
		}
	}
}

static struct str joined_words(struct parse *p, int n)
{
	struct str all = STR("");
	for (int i = 0; i < n; i++)
		all = arena_printf(p->mem, STR_FMT "%s%s", STR_ARG(all), i ? " " : "",
				   p->argv[p->words[i]]);
	return all;
}

static struct str word(const struct parse *p, int i)
{
	return str_z(p->argv[p->words[i]]);
}

static void no_such_verb(struct parse *p)
{
	struct ctl_near near = ctl_near(word(p, 1));
	for (size_t i = 0; i < commands_count; i++)
		if (ctl_is_shown(&commands[i]) && str_eq(ctl_noun_of(&commands[i]), word(p, 0)))
			ctl_near_offer(&near, ctl_verb_of(&commands[i]));
	struct str prefix = arena_printf(p->mem, STR_FMT " ", STR_ARG(word(p, 0)));
	for (size_t i = 0; i < commands_count && !near.best.n; i++)	/* "config check" */
		if (ctl_is_shown(&commands[i]) && str_eq_z(word(p, 1), commands[i].words)) {
			ctl_near_offer(&near, word(p, 1));
			prefix = STR("llmgwctl ");
		}
	fail(p, arena_printf(p->mem, "'" STR_FMT "' is nothing that '" STR_FMT "' can do",
			     STR_ARG(printable(p, word(p, 1))), STR_ARG(word(p, 0))),
	     did_you_mean(p, &near, prefix.p, word(p, 0)));
}

static void no_such_command(struct parse *p)
{
	struct ctl_near near = ctl_near(word(p, 0));
	ctl_near_offer(&near, STR("help"));
	ctl_near_offer(&near, STR("completion"));
	for (size_t i = 0; i < commands_count; i++)
		if (ctl_is_shown(&commands[i]))
			ctl_near_offer(&near, ctl_noun_of(&commands[i]));
	fail(p, arena_printf(p->mem, "there is no command '" STR_FMT "'",
			     STR_ARG(printable(p, word(p, 0)))),
	     did_you_mean(p, &near, "", STR("")));
}

static void resolve_command(struct parse *p)
{
	for (int n = p->n_words; n > 0; n--) {
		const struct command *c = ctl_find(joined_words(p, n));
		if (c) {
			p->ret->command = c;
			p->used_words = n;
			return;
		}
	}
	if (ctl_is_noun(word(p, 0)) && p->n_words == 1) {
		p->ret->command = ctl_default_of(word(p, 0));
		p->used_words = 1;
		if (!p->ret->command)
			fail(p, arena_printf(p->mem, "what shall be done with '" STR_FMT "'?",
					     STR_ARG(word(p, 0))),
			     see_help(p, word(p, 0)));
	} else if (ctl_is_noun(word(p, 0))) {
		no_such_verb(p);
	} else {
		no_such_command(p);
	}
}

/* ---- the command's own arguments ---- */

/* --sort is short for --sort-by, where there is no other. */
static const struct command_arg *find_arg(const struct command *c, struct str name)
{
	const struct command_arg *by = NULL;
	for (const struct command_arg *a = c ? c->args : NULL; a && a->name; a++) {
		if (ctl_same_name(name, str_z(a->name)))
			return a;
		if (str_eq(name, STR("sort")) && strcmp(a->name, "sort_by") == 0)
			by = a;
	}
	return by;
}

static struct str dashed(struct parse *p, const char *name)
{
	char *made = arena_dup_z(p->mem, str_z(name));
	for (char *c = made; c && *c; c++)
		if (*c == '_')
			*c = '-';
	return str_z(made);
}

static struct str shown_name(struct parse *p, const struct command_arg *arg)
{
	return arena_printf(p->mem, "--" STR_FMT, STR_ARG(dashed(p, arg->name)));
}

static struct str words_of(const struct parse *p)
{
	return str_z(p->ret->command->words);
}

static bool is_given(const struct parse *p, const struct command_arg *arg)
{
	for (size_t i = 0; i < p->n_values; i++)
		if (p->values[i].arg == arg)
			return true;
	return false;
}

static struct str absolute(struct parse *p, const struct command_arg *arg, struct str text)
{
	bool is_path = arg->type == ARG_STRING && strcmp(arg->name, "file") == 0;
	if (!is_path || !p->cwd || !text.n || text.p[0] == '/')
		return text;
	return arena_printf(p->mem, "%s/" STR_FMT, p->cwd, STR_ARG(text));
}

static void add_value(struct parse *p, const struct command_arg *arg, struct str text)
{
	struct ctl_value v = { arg, absolute(p, arg, text) };
	struct str why;
	bool many = arg->type == ARG_LIST || (arg->flags & ARG_REPEATED);
	if (!many && is_given(p, arg)) {
		fail(p, arena_printf(p->mem, STR_FMT " is given twice",
				     STR_ARG(shown_name(p, arg))), see_help(p, words_of(p)));
		return;
	}
	if (ctl_value_check(p->mem, &v, &why) != 0) {
		fail(p, arena_printf(p->mem, STR_FMT ": " STR_FMT, STR_ARG(shown_name(p, arg)),
				     STR_ARG(why)), see_help(p, words_of(p)));
		return;
	}
	p->values[p->n_values++] = v;
}

/* Whoever gives a name where there is none to give may have meant that of the new object. */
static struct str as_alias(struct parse *p, struct str text)
{
	for (const struct command_arg *a = p->ret->command->args; a && a->name; a++)
		if (str_ends(str_z(a->name), STR("_alias")) && !is_given(p, a))
			return arena_printf(p->mem, "did you mean --" STR_FMT " " STR_FMT "?",
					    STR_ARG(dashed(p, a->name)),
					    STR_ARG(printable(p, text)));
	return see_help(p, words_of(p));
}

static void add_positional(struct parse *p, struct str text)
{
	const struct command_arg *a = p->ret->command->args;
	for (; a && a->name; a++) {
		bool many = a->type == ARG_LIST || (a->flags & ARG_REPEATED);
		if ((a->flags & ARG_POSITIONAL) && (many || !is_given(p, a)))
			break;
	}
	if (!a || !a->name)
		fail(p, arena_printf(p->mem, "'" STR_FMT "' is one argument too many",
				     STR_ARG(printable(p, text))), as_alias(p, text));
	else
		add_value(p, a, text);
}

static void take_argument(struct parse *p, int *at, const struct command_arg *arg,
			  struct str behind)
{
	if (arg->type == ARG_BOOL) {
		add_value(p, arg, behind.p ? behind : STR("true"));
		return;
	}
	const char *value = value_of(p, at, behind);
	if (value)
		add_value(p, arg, str_z(value));
	else
		fail(p, arena_printf(p->mem, STR_FMT " needs a value: %s",
				     STR_ARG(shown_name(p, arg)), arg->doc),
		     see_help(p, words_of(p)));
}

static void no_such_option(struct parse *p, struct str name)
{
	const struct command *c = p->ret->command;
	struct str topic = c ? str_z(c->words) : STR("");
	struct ctl_near near = ctl_near(str_eq_z(name, "limit") ? STR("page-size") : name);
	for (const struct command_arg *a = c ? c->args : NULL; a && a->name; a++)
		ctl_near_offer(&near, dashed(p, a->name));
	for (size_t i = 0; i < ctl_options_count; i++)
		ctl_near_offer(&near, str_z(ctl_options[i].name));
	fail(p, arena_printf(p->mem, "there is no option '--" STR_FMT "'%s%s",
			     STR_ARG(printable(p, name)), c ? " of " : "", c ? c->words : ""),
	     c || near.best.n ? did_you_mean(p, &near, "--", topic)
			      : STR("the options of a command stand behind its name"));
}

static void take_long(struct parse *p, int *at, bool behind_words)
{
	struct str value, name = split_option(p->argv[*at], &value);
	const struct command_arg *arg = behind_words ? find_arg(p->ret->command, name) : NULL;
	const struct ctl_option *opt = ctl_option_find(name);
	if (arg)
		take_argument(p, at, arg, value);
	else if (opt)
		take_option(p, at, opt, value);
	else if (!behind_words && find_arg(p->ret->command, name))
		fail(p, arena_printf(p->mem, "--" STR_FMT " belongs behind '%s'", STR_ARG(name),
				     p->ret->command->words), see_help(p, words_of(p)));
	else
		no_such_option(p, name);
}

static bool is_used_word(const struct parse *p, int at)
{
	for (int i = 0; i < p->used_words; i++)
		if (p->words[i] == at)
			return true;
	return false;
}

/* Everything that is not the command's name. */
static void take_rest(struct parse *p)
{
	bool options_end = false;
	for (int i = 0; i < p->argc && !p->failed; i++) {
		const char *token = p->argv[i];
		bool behind = p->used_words == 0 || i > p->words[p->used_words - 1];
		if (is_used_word(p, i))
			continue;
		if (!options_end && is_end_of_options(token))
			options_end = true;
		else if (!options_end && is_long(token))
			take_long(p, &i, behind);
		else if (!options_end && is_short(token))
			take_letters(p, token);
		else if (p->ret->command)
			add_positional(p, str_z(token));
	}
}

/* ---- the end ---- */

static bool is_true(struct str text)
{
	return str_eq_nocase(text, STR("true")) || str_eq_z(text, "1") || str_eq_z(text, "yes");
}

static void check_required(struct parse *p)
{
	const struct command *c = p->ret->command;
	for (const struct command_arg *a = c->args; a && a->name; a++)
		if ((a->flags & ARG_REQUIRED) && !is_given(p, a))
			fail(p, arena_printf(p->mem, "%s needs %s" STR_FMT ": %s", c->words,
					     a->flags & ARG_POSITIONAL ? "" : "--",
					     STR_ARG(dashed(p, a->name)), a->doc),
			     see_help(p, words_of(p)));
}

static void check_dry_run(struct parse *p)
{
	if (p->ret->opt.dry_run && !ctl_can_try(p->ret->command))
		fail(p, arena_printf(p->mem, "%s cannot be tried without doing it",
				     p->ret->command->words), see_help(p, words_of(p)));
}

static void name_objects(struct parse *p)
{
	for (size_t i = 0; i < p->n_values; i++) {
		const struct ctl_value *v = &p->values[i];
		if (!(v->arg->flags & ARG_POSITIONAL) && v->arg->type != ARG_LIST)
			continue;
		struct str rest = v->text;
		while (rest.p) {
			struct str item = v->arg->type == ARG_LIST ? str_cut(&rest, ',') : rest;
			if (p->ret->n_named++ == 0)
				p->ret->named = item;
			if (v->arg->type != ARG_LIST)
				break;
		}
	}
}

/* Lists that would only give identifiers are asked for whole rows, when those are shown. */
static void ask_for_rows(struct parse *p)
{
	const struct command_arg *a = find_arg(p->ret->command, STR("return_full_object"));
	if (a && p->ret->command->columns && !is_given(p, a))
		add_value(p, a, STR("true"));
}

static void finish_run(struct parse *p)
{
	const struct command *c = p->ret->command;
	const struct command_arg *dry = find_arg(c, STR("dry_run"));
	if (p->ret->opt.dry_run && dry && !is_given(p, dry))
		add_value(p, dry, STR("true"));
	for (size_t i = 0; i < p->n_values && dry; i++)
		p->ret->opt.dry_run |= p->values[i].arg == dry && is_true(p->values[i].text);
	check_required(p);
	check_dry_run(p);
	name_objects(p);
	ask_for_rows(p);
	p->ret->args = ctl_values_json(p->mem, c, p->values, p->n_values);
	if (!p->ret->args.p)
		fail(p, STR("the arguments are too long"), STR(""));
}

/* help [WORDS…] and completion SHELL: what llmgwctl does alone. */
static bool take_builtin(struct parse *p)
{
	bool is_help = p->n_words && str_eq_z(word(p, 0), "help");
	if (!is_help && !(p->n_words && str_eq_z(word(p, 0), "completion")))
		return false;
	p->ret->action = is_help ? CTL_HELP : CTL_COMPLETION;
	struct str all = joined_words(p, p->n_words);
	p->ret->topic = str_skip(all, is_help ? 5 : 11);
	for (int i = 0; i < p->argc; i++)		/* a hidden topic looks like an option */
		if (is_help && strcmp(p->argv[i], "--mdoc") == 0)
			p->ret->topic = STR("--mdoc");
	if (is_help && str_eq_z(p->ret->topic, "--mdoc"))
		return true;
	take_rest(p);
	if (p->ret->opt.help && !is_help) {
		p->ret->action = CTL_HELP;
		p->ret->topic = STR("completion");
	}
	return true;
}

/* --help and --version win over everything, also over mistakes elsewhere on the line. */
static bool wants(const struct parse *p, const char *name, const char *letter)
{
	for (int i = 0; i < p->argc && !is_end_of_options(p->argv[i]); i++)
		if (strcmp(p->argv[i], name) == 0 || strcmp(p->argv[i], letter) == 0)
			return true;
	return false;
}

static void help_on_words(struct parse *p)
{
	p->ret->action = CTL_HELP;
	p->ret->topic = STR("");
	if (!p->n_words)
		return;
	for (int n = p->n_words; n > 0; n--) {
		struct str words = joined_words(p, n);
		if (ctl_find(words) || (n == 1 && ctl_is_noun(words))) {
			p->ret->topic = words;
			return;
		}
	}
	p->ret->topic = word(p, 0);
}

static void parse(struct parse *p)
{
	find_words(p);
	if (take_builtin(p))
		return;
	if (wants(p, "--help", "-h")) {
		help_on_words(p);
		return;
	}
	if (wants(p, "--version", "-V")) {
		p->ret->action = CTL_VERSION;
		return;
	}
	if (p->n_words)
		resolve_command(p);
	if (!p->failed)
		take_rest(p);
	if (!p->failed && !p->n_words)
		fail(p, STR("which command?"), STR("llmgwctl --help lists them"));
	if (!p->failed && p->ret->opt.socket && p->ret->opt.url)
		fail(p, STR("--socket and --url cannot both be meant"), see_help(p, STR("")));
	if (!p->failed && p->ret->opt.key && p->ret->opt.key_file)
		fail(p, STR("--key and --key-file cannot both be meant"), see_help(p, STR("")));
	if (!p->failed)
		finish_run(p);
}

enum ctl_exit ctl_parse(struct arena *a, const char *cwd, int argc, char *const *argv,
			struct ctl_request *ret, struct ctl_error *reterr)
{
	struct parse p = { .mem = a, .cwd = cwd, .argc = argc, .argv = argv, .ret = ret,
			   .reterr = reterr };
	*ret = (struct ctl_request){ .opt.timeout_ms = TIMEOUT_MS, .args = STR("{}") };
	/* Each token gives one value at most; two more may be added. */
	p.values = arena_array(a, (size_t)argc + 2, sizeof *p.values);
	if (p.values)
		parse(&p);
	else
		fail(&p, STR("the arguments are too long"), STR(""));
	return p.failed ? reterr->exit : CTL_DONE;
}
