/* SPDX-License-Identifier: MIT
 * fuzz_token.c - whatever credentials say, they go to a safe address as a form of one line; whatever
 * is answered, a token fits in a header, and an error's word in a message. */
#include <errno.h>

#include "common/hash.h"
#include "worker/exchange/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		MUST(s.p[i] > ' ' && s.p[i] < 0x7f);
}

static void ask(enum provider_auth auth, struct str text)
{
	struct token_ask a;
	const char *why = NULL;
	int err = token_ask_write(auth, text, 1800000000, &a, &why);
	if (err == 0) {
		struct str url = buf_str(&a.url);
		MUST(token_url_is_safe(url) ||
		     str_starts(url, STR("http://metadata.google.internal/")));
		MUST(!a.method == (a.form.n != 0));
		check_printable(buf_str(&a.form));
		if (a.form.n)
			MUST(str_find_char(buf_str(&a.form), '=') != SIZE_MAX);
	} else {
		MUST(err == -ENOMEM || why);
	}
	token_ask_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str text = { (const char *)p, n };
	struct token_answer a;
	if (hash_init() != 0)
		return 0;
	struct arena *mem = arena_new(8 << 20);
	ask(AUTH_GOOGLE, text);
	ask(AUTH_ENTRA, text);
	ask(AUTH_IBM, text);
	ask(AUTH_GIGACHAT, text);
	if (token_answer_read(mem, text, 1800000000, &a) == 0) {
		MUST(a.token.n && a.token.n <= TOKEN_MAX && a.life_s >= 1);
		check_printable(a.token);
	}
	struct str word = token_error_read(mem, text);
	MUST(word.n <= TOKEN_CODE_MAX);
	check_printable(word);
	arena_free(mem);
	return 0;
}
