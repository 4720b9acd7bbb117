/* SPDX-License-Identifier: MIT
 * spend_errors.c - how a request of the ledger ended, in words, and rows found by such words. The
 * ledger keeps numbers alone: no provider's text is in it. */
#include "master/spend_private.h"
#include "worker/outcome.h"

static const struct {
	const char *name, *type, *code;
} outcomes[] = {
#define X(name, status, old, type, code, blame) { #name, type, code },
	OUTCOMES(X)
#undef X
};

/* NULL: a later program has written it. */
const char *spend_outcome_name(int64_t number)
{
	return number >= 0 && number < (int64_t)COUNT(outcomes) ? outcomes[number].name : NULL;
}

void spend_put_error(struct json_out *o, int64_t status, int64_t outcome)
{
	char code[24];
	bool is_known = outcome >= 0 && outcome < (int64_t)COUNT(outcomes);
	snprintf(code, sizeof code, "%lld", (long long)status);
	json_open(o, "error_information");
	json_put_z(o, "error_code", code);
	json_put_z(o, "error_class", is_known ? outcomes[outcome].type : "");
	json_put_z(o, "error_message", is_known && *outcomes[outcome].code ?
		   outcomes[outcome].code : is_known ? outcomes[outcome].name : "");
	json_close(o);
}

static bool is_in(const char *text, struct str part)
{
	struct str s = str_z(text);
	for (; s.n >= part.n; s = str_skip(s, 1))
		if (str_eq_nocase(str_of(s.p, part.n), part))
			return true;
	return false;
}

static bool has_word(size_t at, struct str word, bool is_part)
{
	const char *const texts[] = { outcomes[at].name, outcomes[at].type, outcomes[at].code };
	for (size_t i = 0; i < COUNT(texts); i++)
		if (is_part ? is_in(texts[i], word) : str_eq_nocase(str_z(texts[i]), word))
			return true;
	return false;
}

void spend_where_outcomes(struct spend_where *w, struct str word, bool is_part)
{
	char number[8];
	spend_where_z(w, " AND " SPEND_FAILED " AND l.outcome IN (-1");
	for (size_t i = 0; i < COUNT(outcomes); i++) {
		if (!has_word(i, word, is_part))
			continue;
		snprintf(number, sizeof number, ",%zu", i);
		spend_where_z(w, number);
	}
	spend_where_z(w, ")");
}
