/* SPDX-License-Identifier: MIT
 * ctl_names.c - what can be completed where: the words of a line that is being typed tell which
 * argument comes next, and a table says which command lists the names for it.
 *
 * Pure; ctl_complete.c asks. The first row that fits counts: what makes a new object has a row
 * without a list, for a name that is taken is of no use there. */
#include "master/ctl.h"

/* Where names are listed. */
static const struct ctl_names keys = {
	.list = "keys aliases", .search = "search", .rows = "aliases", .member = ""
};
static const struct ctl_names teams = { .list = "teams list", .rows = "", .member = "team_id" };
static const struct ctl_names customers = {
	.list = "customers list", .rows = "", .member = "user_id"
};
static const struct ctl_names users = {
	.list = "users list", .rows = "users", .member = "user_id"
};
static const struct ctl_names orgs = {
	.list = "orgs list", .rows = "", .member = "organization_id"
};
static const struct ctl_names budgets = {
	.list = "budgets list", .rows = "", .member = "budget_id"
};
static const struct ctl_names tags = { .list = "tags list", .rows = "", .member = "name" };
static const struct ctl_names deployments = {
	.list = "models list", .rows = "models", .member = "id"
};
static const struct ctl_names models = {
	.list = "models groups", .rows = "data", .member = "model_group"
};
static const struct ctl_names providers = {
	.list = "models list", .rows = "models", .member = "provider"
};
static const struct ctl_names access_groups = {
	.list = "access-groups list", .rows = "access_groups", .member = "access_group"
};
static const struct ctl_names unified_groups = {
	.list = "access list", .rows = "", .member = "access_group_id"
};
static const struct ctl_names token_keys = {
	.list = "tokens list", .rows = "mappings", .member = "id"
};
static const struct ctl_names credentials = {
	.list = "credentials list", .rows = "credentials", .member = "credential_name"
};
static const struct ctl_names workers = {
	.list = "workers list", .rows = "workers", .member = "slot"
};
static const struct ctl_names settings = {
	.list = "config list", .rows = "", .member = "field_name"
};
static const struct ctl_names versions = {
	.list = "config history", .rows = "versions", .member = "version"
};
static const struct ctl_names directives = {
	.list = "config explain", .search = "directive", .is_pattern = true,
	.rows = "directives", .member = "directive"
};
static const struct ctl_names encodings = {
	.list = "tokenizer list", .rows = "", .member = "encoding"
};
static const struct ctl_names requests = {
	.list = "spend logs", .rows = "", .member = "request_id"
};
static const struct ctl_names audit_rows = {
	.list = "audit list", .rows = "audit_logs", .member = "id"
};

static const struct {
	const char *words;	/* of the commands, or what they begin with; NULL: any */
	const char *arg;
	const struct ctl_names *names;	/* NULL: none, for it is a new one */
} live[] = {
	{ "keys create", "key_alias", NULL },
	{ "keys service", "key_alias", NULL },
	{ "route explain", "key", NULL },
	{ "keys", "key", &keys },
	{ "keys", "keys", &keys },
	{ NULL, "key_alias", &keys },
	{ NULL, "key_aliases", &keys },
	{ "teams create", "team_id", NULL },
	{ NULL, "team_id", &teams },
	{ NULL, "team_ids", &teams },
	{ NULL, "team", &teams },
	{ NULL, "teams", &teams },
	{ "customers create", "user_id", NULL },
	{ "customers", "user_id", &customers },
	{ "customers", "user_ids", &customers },
	{ NULL, "end_user_id", &customers },
	{ NULL, "end_user_ids", &customers },
	{ NULL, "end_user", &customers },
	{ NULL, "customer", &customers },
	{ "users create", "user_id", NULL },
	{ NULL, "user_id", &users },
	{ NULL, "user_ids", &users },
	{ "orgs create", "organization_id", NULL },
	{ NULL, "organization_id", &orgs },
	{ NULL, "organization_ids", &orgs },
	{ NULL, "organizations", &orgs },
	{ "budgets create", "budget_id", NULL },
	{ "budgets", "id", &budgets },
	{ NULL, "budget_id", &budgets },
	{ NULL, "budgets", &budgets },
	{ "tags create", "name", NULL },
	{ "tags", "name", &tags },
	{ "tags", "names", &tags },
	{ NULL, "tag", &tags },
	{ NULL, "tags", &tags },
	{ "models", "id", &deployments },
	{ NULL, "model_id", &deployments },
	{ "models add", "model_name", NULL },
	{ "prices", "model", NULL },
	{ NULL, "model", &models },
	{ NULL, "models", &models },
	{ NULL, "model_group", &models },
	{ NULL, "model_name", &models },
	{ NULL, "model_names", &models },
	{ NULL, "fallback_models", &models },
	{ NULL, "custom_llm_provider", &providers },
	{ "access-groups add", "access_group", NULL },
	{ NULL, "access_group", &access_groups },
	{ NULL, "access_group_id", &unified_groups },
	{ NULL, "access_model_names", &models },
	{ NULL, "assigned_team_ids", &teams },
	{ NULL, "assigned_key_ids", &keys },
	{ "credentials add", "credential_name", NULL },
	{ NULL, "credential_name", &credentials },
	{ NULL, "slot", &workers },
	{ "config", "field_name", &settings },
	{ "config", "version", &versions },
	{ "config", "directive", &directives },
	{ "tokenizer", "encoding", &encodings },
	{ "audit", "id", &audit_rows },
	{ "tokens", "id", &token_keys },
	{ "spend", "request_id", &requests },
};

/* And where there are only so many. */
static const struct {
	const char *words, *arg;
	struct ctl_names names;
} fixed[] = {
	{ "spend report", "group_by", { .choices =
	  "day hour model key user team organization customer tag provider deployment "
	  "endpoint" } },
	{ "spend export", "format", { .choices = "csv jsonl focus" } },
	{ NULL, "status_filter", { .choices = "success failure" } },
	{ "top", "by", { .choices = "model provider deployment" } },
	{ "top", "sort", { .choices = "requests in-flight failures tokens cost name" } },
	{ "logs", "level", { .choices = "error warn info debug" } },
	{ "alerts", "receiver", { .choices = "slack discord teams webhook email" } },
	{ "config", "config_type", { .choices =
	  "general_settings router_settings litellm_settings" } },
	{ "wait", "for", { .choices = "ready idle generation=" } },
	{ "config convert", "from", { .choices = "litellm bifrost portkey" } },
	{ "import rows", "kind", { .choices =
	  "budget organization user org-member team member membership key customer tag "
	  "credential model spend" } },
	{ "fallbacks", "fallback_type", { .choices = "general context_window content_policy" } },
	{ "users", "user_role", { .choices =
	  "proxy_admin proxy_admin_viewer internal_user internal_user_viewer" } },
	{ "teams", "role", { .choices = "admin user" } },
	{ "orgs", "role", { .choices = "org_admin internal_user internal_user_viewer" } },
	{ NULL, "sort_order", { .choices = "asc desc" } },
};

static const char *const files[] = { "file", "out", "dump", "config", "state_dir", "runtime_dir" };

static bool fits(const char *words, const char *arg, const struct command *c,
		 const struct command_arg *a)
{
	struct str all = str_z(c->words), begin = str_z(words ? words : "");
	bool of_it = !words || (str_starts(all, begin) &&
				(all.n == begin.n || all.p[begin.n] == ' '));
	return of_it && strcmp(arg, a->name) == 0;
}

const struct ctl_names *ctl_names_of(const struct command *c, const struct command_arg *arg)
{
	for (size_t i = 0; i < COUNT(live); i++)
		if (fits(live[i].words, live[i].arg, c, arg))
			return live[i].names;
	for (size_t i = 0; i < COUNT(fixed); i++)
		if (fits(fixed[i].words, fixed[i].arg, c, arg))
			return &fixed[i].names;
	return NULL;
}

bool ctl_names_a_file(const struct command_arg *arg)
{
	if (arg->flags & ARG_FILE)
		return true;
	for (size_t i = 0; i < COUNT(files); i++)
		if (strcmp(files[i], arg->name) == 0 && arg->type == ARG_STRING)
			return true;
	return false;
}

/* ---- the line that is being typed ---- */

struct line {
	struct arena *mem;
	char *const *argv;
	int argc;			/* the last of them is being typed */
	struct ctl_typed *ret;
	bool used[8];			/* of the first tokens: part of the command's name */
};

static bool is_long(const char *token)
{
	return token[0] == '-' && token[1] == '-' && token[2];
}

static struct str name_of(const char *token, struct str *ret_value)
{
	struct str s = str_skip(str_z(token), 2);
	struct str name = str_cut(&s, '=');
	*ret_value = s;
	return name;
}

/* An option of every command, with its value: it says where the gateway is. Tokens it takes. */
static int take_option(struct line *l, int i)
{
	struct str value;
	const struct ctl_option *o = ctl_option_find(name_of(l->argv[i], &value));
	if (!o || !o->value)
		return 1;
	const char *text = value.p ? value.p : i + 1 < l->argc ? l->argv[i + 1] : NULL;
	int err = text ? ctl_option_set(&l->ret->opt, o, text) : -1;
	(void)err;			/* nobody is told while he types */
	return value.p ? 1 : 2;
}

/* The longest command that the first words make; where a noun stands alone, what that means. */
static void find_command(struct line *l)
{
	int at[3], n = 0;
	for (int i = 0; i < l->argc - 1 && n < (int)COUNT(at);) {
		if (is_long(l->argv[i])) {
			i += take_option(l, i);
		} else {
			if (l->argv[i][0] != '-')
				at[n++] = i;
			i++;
		}
	}
	for (int k = n; k > 0 && !l->ret->command; k--) {
		struct str words = str_z(l->argv[at[0]]);
		for (int i = 1; i < k; i++)
			words = arena_printf(l->mem, STR_FMT " %s", STR_ARG(words), l->argv[at[i]]);
		l->ret->command = ctl_find(words);
		for (int i = 0; i < k && l->ret->command; i++)
			if (at[i] < (int)COUNT(l->used))
				l->used[at[i]] = true;
	}
}

static const struct command_arg *arg_named(const struct command *c, struct str name)
{
	for (const struct command_arg *a = c->args; a && a->name; a++)
		if (ctl_same_name(name, str_z(a->name)))
			return a;
	return NULL;
}

static const struct command_arg *positional(const struct command *c, unsigned n)
{
	for (const struct command_arg *a = c->args; a && a->name; a++) {
		bool many = a->type == ARG_LIST || (a->flags & ARG_REPEATED);
		if ((a->flags & ARG_POSITIONAL) && (n-- == 0 || many))
			return a;
	}
	return NULL;
}

/* An option of the command with a value: tokens it takes; 0: the value is what is being typed. */
static int skip_option(struct line *l, int i, const struct command_arg *a)
{
	int next = i + 1;
	if (a->type == ARG_BOOL || str_find_char(str_z(l->argv[i]), '=') < strlen(l->argv[i]))
		return 1;
	if (next < l->argc - 1 && strcmp(l->argv[next], "=") == 0)	/* bash cuts there */
		next++;
	if (next < l->argc - 1)
		return next - i + 1;
	l->ret->arg = a;
	return 0;
}

static void find_arg(struct line *l)
{
	const struct command *c = l->ret->command;
	const char *last = l->argv[l->argc - 1];
	unsigned n = 0;
	for (int i = 0; i < l->argc - 1;) {
		struct str value;
		bool used = i < (int)COUNT(l->used) && l->used[i];
		const struct command_arg *a = is_long(l->argv[i]) && !used
						      ? arg_named(c, name_of(l->argv[i], &value))
						      : NULL;
		int step = a ? skip_option(l, i, a) : is_long(l->argv[i]) ? take_option(l, i) : 1;
		if (!step)
			return;
		n += !used && l->argv[i][0] != '-';
		i += step;
	}
	if (is_long(last)) {
		l->ret->arg = arg_named(c, name_of(last, &l->ret->typed));
		l->ret->before = str_of(last, strlen(last) - l->ret->typed.n);
		if (!l->ret->typed.p)
			l->ret->arg = NULL;	/* the option itself is being typed */
	} else if (last[0] != '-') {
		l->ret->arg = positional(c, n);
	}
}

void ctl_read_typed(struct arena *a, int argc, char *const *argv, struct ctl_typed *ret)
{
	struct line l = { .mem = a, .argv = argv, .argc = argc, .ret = ret };
	*ret = (struct ctl_typed){ .before = STR("") };
	if (argc < 1)
		return;
	ret->typed = str_z(argv[argc - 1]);
	if (str_eq_z(ret->typed, "="))
		ret->typed = STR("");
	find_command(&l);
	if (ret->command)
		find_arg(&l);
	if (!ret->arg)
		return;
	if (ret->arg->type == ARG_LIST) {	/* what stands behind the last comma */
		struct str rest = ret->typed;
		while (str_find_char(rest, ',') < rest.n)
			(void)str_cut(&rest, ',');
		ret->before = arena_printf(a, STR_FMT STR_FMT, STR_ARG(ret->before),
					   (int)(ret->typed.n - rest.n), ret->typed.p);
		ret->typed = rest.p ? rest : STR("");
	}
}
