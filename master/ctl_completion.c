/* SPDX-License-Identifier: MIT
 * ctl_completion.c - completion scripts for bash, zsh and fish, out of the command table.
 *
 * Each script finds the first two words that are neither options nor their values, and offers
 * what the table says may follow. Behind a command's name `llmgwctl __complete` is asked, which
 * knows the names that there are now: ctl_complete.c. */
#include <errno.h>

#include "master/ctl.h"

enum shell { BASH, ZSH, FISH };

/* Calls it once for each first word, with the first command that begins with it. */
static void each_noun(struct buf *to, void (*put)(struct buf *to, const struct command *c))
{
	for (size_t i = 0; i < commands_count; i++) {
		bool seen = false;
		for (size_t k = 0; k < i && !seen; k++)
			seen = ctl_is_shown(&commands[k]) &&
			       str_eq(ctl_noun_of(&commands[k]), ctl_noun_of(&commands[i]));
		if (!seen && ctl_is_shown(&commands[i]))
			put(to, &commands[i]);
	}
}

/* Between single quotes; fish knows \' and the others '\''. */
static void put_quoted(struct buf *to, struct str s, enum shell shell)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '\'')
			buf_put_char(to, s.p[i]);
		else
			buf_put_z(to, shell == FISH ? "\\'" : "'\\''");
	}
}

static void put_verbs(struct buf *to, const struct command *of, const char *between)
{
	for (size_t i = 0, n = 0; i < commands_count; i++)
		if (ctl_is_shown(&commands[i]) &&
		    str_eq(ctl_noun_of(&commands[i]), ctl_noun_of(of)))
			buf_printf(to, "%s" STR_FMT, n++ ? between : "",
				   STR_ARG(ctl_verb_of(&commands[i])));
}

/* What a first word stands for: a command, or what can be done with such things. */
static void put_noun_doc(struct buf *to, const struct command *c, enum shell shell)
{
	if (ctl_verb_of(c).n)
		put_verbs(to, c, ", ");
	else
		put_quoted(to, str_z(c->doc), shell);
}

/* The loop that finds $first and $second; the same in bash and zsh but for the indices. */
static void put_scan(struct buf *to, const char *words, const char *last, int from)
{
	buf_printf(to,
		   "\tlocal first= second= i\n"
		   "\tfor ((i = %d; i < %s; i++)); do\n"
		   "\t\tcase ${%s[i]} in\n\t\t",
		   from, last, words);
	for (size_t i = 0, n = 0; i < ctl_options_count; i++)
		if (ctl_options[i].value)
			buf_printf(to, "%s--%s", n++ ? "|" : "", ctl_options[i].name);
	buf_printf(to,
		   ") ((i++)) ;;\n"
		   "\t\t-*) ;;\n"
		   "\t\t*) if [[ -z $first ]]; then first=${%s[i]}; "
		   "elif [[ -z $second ]]; then second=${%s[i]}; fi ;;\n"
		   "\t\tesac\n\tdone\n",
		   words, words);
}

/* ---- bash ---- */

static void put_bash_noun(struct buf *to, const struct command *c)
{
	buf_put(to, ctl_noun_of(c));
	buf_put_char(to, ' ');
}

static void put_bash_verbs(struct buf *to, const struct command *of)
{
	if (!ctl_verb_of(of).n)
		return;
	buf_printf(to, "\t\t'" STR_FMT "') list='", STR_ARG(ctl_noun_of(of)));
	put_verbs(to, of, " ");
	BUF_PUT_LIT(to, "' ;;\n");
}

/* One word of a command has anything behind it; two have the second. */
static void put_case(struct buf *to, const struct command *c)
{
	struct str noun = ctl_noun_of(c), verb = ctl_verb_of(c);
	buf_printf(to, "\t\t'" STR_FMT " " STR_FMT "'%s) ", STR_ARG(noun), STR_ARG(verb),
		   verb.n ? "" : "*");
}

static void put_bash_options(struct buf *to, const struct command *c)
{
	if (!c->args || !c->args[0].name)
		return;
	put_case(to, c);
	BUF_PUT_LIT(to, "list='");
	for (const struct command_arg *a = c->args; a->name; a++) {
		if (a->flags & ARG_POSITIONAL)
			continue;
		BUF_PUT_LIT(to, "--");
		ctl_put_dashed(to, a->name);
		buf_put_char(to, ' ');
	}
	BUF_PUT_LIT(to, "' ;;\n");
}

static void put_bash(struct buf *to)
{
	BUF_PUT_LIT(to, "# bash completion for llmgwctl\n_llmgwctl()\n{\n"
			"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} "
			"list=\n");
	put_scan(to, "COMP_WORDS", "COMP_CWORD", 1);
	BUF_PUT_LIT(to, "\tCOMPREPLY=()\n\tcase $prev in\n"
			"\t--socket|--key-file) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
			"\t--color) COMPREPLY=($(compgen -W 'auto always never' -- \"$cur\")); "
			"return ;;\n"
			"\t--url|--key|--timeout) return ;;\n\tesac\n"
			"\tif [[ $cur == -* ]]; then\n\t\tcase \"$first $second\" in\n");
	for (size_t i = 0; i < commands_count; i++)
		if (ctl_is_shown(&commands[i]))
			put_bash_options(to, &commands[i]);
	BUF_PUT_LIT(to, "\t\tesac\n\t\tlist+='");
	for (size_t i = 0; i < ctl_options_count; i++)
		buf_printf(to, "--%s ", ctl_options[i].name);
	BUF_PUT_LIT(to, "'\n\telif [[ -z $first ]]; then\n\t\tlist='");
	each_noun(to, put_bash_noun);
	BUF_PUT_LIT(to, "completion help'\n\telif [[ -z $second ]]; then\n\t\tcase $first in\n");
	each_noun(to, put_bash_verbs);
	BUF_PUT_LIT(to, "\t\t'completion') list='bash zsh fish' ;;\n"
			"\t\t'help') list='exit-codes environment ");
	each_noun(to, put_bash_noun);
	BUF_PUT_LIT(to, "' ;;\n\t\tesac\n\tfi\n"
			"\tCOMPREPLY=($(compgen -W \"$list\" -- \"$cur\"))\n"
			"\t[[ -z $first || $first == help || $first == completion ]] && return\n"
			"\t[[ -n $list && $cur != --*=* ]] && return\n"
			"\tlocal name\n"
			"\twhile IFS= read -r name; do\n"
			"\t\tif [[ $name == :files ]]; then\n"
			"\t\t\tcompopt -o filenames 2>/dev/null\n"
			"\t\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n"
			"\t\telse\n"
			"\t\t\tCOMPREPLY+=(\"$(printf %q \"$name\")\")\n"
			"\t\tfi\n"
			"\tdone < <(\"${COMP_WORDS[0]}\" __complete -- "
			"\"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n}\n"
			"complete -F _llmgwctl llmgwctl\n");
}

/* ---- zsh ---- */

static void put_zsh_item(struct buf *to, struct str name, const char *doc)
{
	BUF_PUT_LIT(to, " '");
	buf_put(to, name);
	buf_put_char(to, ':');
	put_quoted(to, str_z(doc), ZSH);
	buf_put_char(to, '\'');
}

static void put_zsh_noun(struct buf *to, const struct command *c)
{
	buf_printf(to, " '" STR_FMT ":", STR_ARG(ctl_noun_of(c)));
	put_noun_doc(to, c, ZSH);
	buf_put_char(to, '\'');
}

static void put_zsh_verbs(struct buf *to, const struct command *of)
{
	if (!ctl_verb_of(of).n)
		return;
	buf_printf(to, "\t\t'" STR_FMT "') list=(", STR_ARG(ctl_noun_of(of)));
	for (size_t i = 0; i < commands_count; i++)
		if (ctl_is_shown(&commands[i]) &&
		    str_eq(ctl_noun_of(&commands[i]), ctl_noun_of(of)))
			put_zsh_item(to, ctl_verb_of(&commands[i]), commands[i].doc);
	BUF_PUT_LIT(to, " ) ;;\n");
}

static void put_zsh_options(struct buf *to, const struct command *c)
{
	if (!c->args || !c->args[0].name)
		return;
	put_case(to, c);
	BUF_PUT_LIT(to, "list=(");
	for (const struct command_arg *a = c->args; a->name; a++) {
		if (a->flags & ARG_POSITIONAL)
			continue;
		BUF_PUT_LIT(to, " '--");
		ctl_put_dashed(to, a->name);
		buf_put_char(to, ':');
		put_quoted(to, str_z(a->doc), ZSH);
		buf_put_char(to, '\'');
	}
	BUF_PUT_LIT(to, " ) ;;\n");
}

static void put_zsh(struct buf *to)
{
	BUF_PUT_LIT(to, "#compdef llmgwctl\n_llmgwctl()\n{\n\tlocal -a list\n");
	put_scan(to, "words", "CURRENT", 2);
	BUF_PUT_LIT(to, "\tcase ${words[CURRENT-1]} in\n"
			"\t--socket|--key-file) _files; return ;;\n"
			"\t--color) compadd auto always never; return ;;\n"
			"\t--url|--key|--timeout) return ;;\n\tesac\n"
			"\tif [[ ${words[CURRENT]} == -* ]]; then\n"
			"\t\tcase \"$first $second\" in\n");
	for (size_t i = 0; i < commands_count; i++)
		if (ctl_is_shown(&commands[i]))
			put_zsh_options(to, &commands[i]);
	BUF_PUT_LIT(to, "\t\tesac\n\t\tlist+=(");
	for (size_t i = 0; i < ctl_options_count; i++) {
		buf_printf(to, " '--%s:", ctl_options[i].name);
		put_quoted(to, str_z(ctl_options[i].doc), ZSH);
		buf_put_char(to, '\'');
	}
	BUF_PUT_LIT(to, " )\n\telif [[ -z $first ]]; then\n\t\tlist=(");
	each_noun(to, put_zsh_noun);
	BUF_PUT_LIT(to, " 'completion:print a completion script' 'help:help on a command' )\n"
			"\telif [[ -z $second ]]; then\n\t\tcase $first in\n");
	each_noun(to, put_zsh_verbs);
	BUF_PUT_LIT(to, "\t\t'completion') list=(bash zsh fish) ;;\n"
			"\t\t'help') list=(exit-codes environment) ;;\n\t\tesac\n\tfi\n"
			"\tif (( ${#list} )); then\n\t\t_describe llmgwctl list\n"
			"\telif [[ -n $first ]]; then\n"
			"\t\tlocal -a names\n"
			"\t\tnames=(\"${(@f)$(llmgwctl __complete -- "
			"\"${(@Q)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
			"\t\tif [[ ${names[1]} == :files ]]; then _files; "
			"elif [[ -n ${names[1]} ]]; then compadd -- \"${names[@]}\"; fi\n"
			"\tfi\n}\n"
			"if [[ ${funcstack[1]} == _llmgwctl ]]; then\n\t_llmgwctl \"$@\"\nelse\n"
			"\tcompdef _llmgwctl llmgwctl\nfi\n");
}

/* ---- fish ---- */

static void put_fish_doc(struct buf *to, const char *doc)
{
	BUF_PUT_LIT(to, " -d '");
	put_quoted(to, str_z(doc), FISH);
	BUF_PUT_LIT(to, "'\n");
}

static void put_fish_noun(struct buf *to, const struct command *c)
{
	buf_printf(to, "complete -c llmgwctl -n __fish_use_subcommand -a " STR_FMT " -d '",
		   STR_ARG(ctl_noun_of(c)));
	put_noun_doc(to, c, FISH);
	BUF_PUT_LIT(to, "'\n");
}

static void put_fish_seen(struct buf *to, const struct command *c, bool with_verb)
{
	struct str verb = ctl_verb_of(c);
	buf_printf(to, "complete -c llmgwctl -n '__fish_seen_subcommand_from " STR_FMT,
		   STR_ARG(ctl_noun_of(c)));
	if (verb.n && with_verb) {
		buf_printf(to, "; and __fish_seen_subcommand_from " STR_FMT, STR_ARG(verb));
	} else if (verb.n) {
		BUF_PUT_LIT(to, "; and not __fish_seen_subcommand_from ");
		put_verbs(to, c, " ");
	}
	buf_put_char(to, '\'');
}

static void put_fish_command(struct buf *to, const struct command *c)
{
	struct str verb = ctl_verb_of(c);
	if (verb.n) {
		put_fish_seen(to, c, false);
		buf_printf(to, " -a " STR_FMT, STR_ARG(verb));
		put_fish_doc(to, c->doc);
	}
	for (const struct command_arg *a = c->args; a && a->name; a++) {
		if (a->flags & ARG_POSITIONAL)
			continue;
		put_fish_seen(to, c, true);
		BUF_PUT_LIT(to, " -l ");
		ctl_put_dashed(to, a->name);
		buf_put_z(to, a->type == ARG_BOOL ? "" : " -x -a '(__llmgwctl_names)'");
		put_fish_doc(to, a->doc);
	}
	if (c->args && c->args[0].name) {
		put_fish_seen(to, c, true);
		BUF_PUT_LIT(to, " -a '(__llmgwctl_names)'\n");
	}
}

static void put_fish(struct buf *to)
{
	BUF_PUT_LIT(to, "# fish completion for llmgwctl\n"
			"function __llmgwctl_names\n"
			"\tset -l words (commandline -opc)\n"
			"\tset -l now (commandline -ct)\n"
			"\tset -l names (llmgwctl __complete -- $words[2..-1] \"$now\" "
			"2>/dev/null)\n"
			"\tif test \"$names[1]\" = :files\n"
			"\t\t__fish_complete_path (commandline -ct)\n"
			"\telse\n\t\tprintf '%s\\n' $names\n\tend\nend\n"
			"complete -c llmgwctl -f\n");
	each_noun(to, put_fish_noun);
	for (size_t i = 0; i < commands_count; i++)
		if (ctl_is_shown(&commands[i]))
			put_fish_command(to, &commands[i]);
	BUF_PUT_LIT(to, "complete -c llmgwctl -n __fish_use_subcommand -a 'completion help'\n"
			"complete -c llmgwctl -n '__fish_seen_subcommand_from completion' "
			"-a 'bash zsh fish'\n");
	for (size_t i = 0; i < ctl_options_count; i++) {
		const struct ctl_option *o = &ctl_options[i];
		buf_printf(to, "complete -c llmgwctl -l %s%s", o->name, o->value ? " -r" : "");
		if (o->letter)
			buf_printf(to, " -s %c", o->letter);
		put_fish_doc(to, o->doc);
	}
}

int ctl_put_completion(struct buf *to, struct str shell)
{
	if (str_eq_z(shell, "bash"))
		put_bash(to);
	else if (str_eq_z(shell, "zsh"))
		put_zsh(to);
	else if (str_eq_z(shell, "fish"))
		put_fish(to);
	else
		return -ENOENT;
	return 0;
}
