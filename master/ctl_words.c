/* SPDX-License-Identifier: MIT
 * ctl_words.c - which command the words mean, and what was probably meant when there is none. */
#include "master/ctl.h"

bool ctl_is_shown(const struct command *c)
{
	return !(c->flags & CMD_NO_CTL);
}

const struct command *ctl_find(struct str words)
{
	for (size_t i = 0; i < commands_count; i++)
		if (ctl_is_shown(&commands[i]) && str_eq_z(words, commands[i].words))
			return &commands[i];
	return NULL;
}

const struct command *ctl_find_any(struct str words)
{
	for (size_t i = 0; i < commands_count; i++)
		if (str_eq_z(words, commands[i].words))
			return &commands[i];
	return NULL;
}

struct str ctl_noun_of(const struct command *c)
{
	struct str words = str_z(c->words);
	return str_cut(&words, ' ');
}

struct str ctl_verb_of(const struct command *c)
{
	struct str words = str_z(c->words);
	(void)str_cut(&words, ' ');
	return words.p ? words : STR("");
}

bool ctl_is_noun(struct str word)
{
	for (size_t i = 0; i < commands_count; i++)
		if (ctl_is_shown(&commands[i]) && ctl_verb_of(&commands[i]).n &&
		    str_eq(ctl_noun_of(&commands[i]), word))
			return true;
	return false;
}

const struct command *ctl_default_of(struct str noun)
{
	const struct command *only = NULL;
	unsigned verbs = 0;
	for (size_t i = 0; i < commands_count; i++) {
		const struct command *c = &commands[i];
		struct str verb = ctl_verb_of(c);
		if (!ctl_is_shown(c) || !verb.n || !str_eq(ctl_noun_of(c), noun))
			continue;
		if (str_eq_z(verb, "list") || str_eq_z(verb, "report") || str_eq_z(verb, "show"))
			return c;
		only = c;
		verbs++;
	}
	return verbs == 1 ? only : NULL;
}

bool ctl_same_name(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if ((a.p[i] == '_' ? '-' : a.p[i]) != (b.p[i] == '_' ? '-' : b.p[i]))
			return false;
	return true;
}

void ctl_put_dashed(struct buf *to, const char *name)
{
	for (; *name; name++)
		buf_put_char(to, *name == '_' ? '-' : *name);
}

struct ctl_near ctl_near(struct str typed)
{
	unsigned cap = typed.n <= 3 ? 1 : typed.n <= 6 ? 2 : 3;
	return (struct ctl_near){ .typed = typed, .best = STR(""), .least = cap + 1 };
}

/* "start" of start-date, "budget" of max-budget. */
static bool is_part(struct str typed, struct str candidate)
{
	return (typed.n >= 3 && str_starts(candidate, typed)) ||
	       (typed.n >= 5 && typed.n < candidate.n && str_ends(candidate, typed) &&
		candidate.p[candidate.n - typed.n - 1] == '-');
}

/* A part of a name is a mistake, too, but a lesser hint than any slip of a letter. */
void ctl_near_offer(struct ctl_near *n, struct str candidate)
{
	unsigned d = str_distance(n->typed, candidate, n->least);
	if (!n->best.n && is_part(n->typed, candidate))
		n->best = candidate;
	if (d < n->least) {
		n->least = d;
		n->best = candidate;
	}
}
