/* SPDX-License-Identifier: MIT
 * texts_read.c - see texts_read.h. */
#include "master/texts_read.h"

#include <errno.h>

#include "common/log.h"
#include "common/mem.h"
#include "master/master.h"
#include "master/stored.h"
#include "master/texts_key.h"
#include "master/texts_pack.h"

enum {
	TREE_MAX = 64 << 20,		/* of a prompt as JSON */
	SHOWN_MAX = 12 << 20,		/* bytes of an answer behind which none is shown */
	PLAIN_MAX = 2 * TEXT_MOST + 1024
};

struct texts_reader {
	struct seal seal, key;
	int64_t key_number;		/* that `key` is; 0: none yet */
	struct buf plain;
	struct arena *tree;
};

bool texts_wanted(struct command_call *c, bool by_default, struct texts_reader **ret)
{
	bool is_wanted = by_default && c->is_admin;
	*ret = NULL;
	if (command_bool(c, "texts", &is_wanted) == -EINVAL)
		return false;
	if (is_wanted && !c->is_admin) {
		command_fail(c, 403, "auth_error", "texts",
			     "Only proxy admins may see prompts and answers");
		return false;
	}
	struct texts_reader *t = is_wanted ? arena_alloc(c->mem, sizeof *t) : NULL;
	const struct seal *seal = t ? stored_seal(c->master->stored) : NULL;
	if (!t)
		return true;
	if (seal)
		t->seal = *seal;
	buf_init(&t->plain, PLAIN_MAX);
	*ret = t;
	return true;
}

void texts_reader_done(struct texts_reader *t)
{
	if (!t)
		return;
	if (t->plain.p)
		mem_wipe(t->plain.p, t->plain.room);
	buf_done(&t->plain);
	t->tree = arena_free(t->tree);
	mem_wipe(t, sizeof *t);
}

/* ---- what is shown ---- */

static void put_nothing(struct json_out *o)
{
	json_put_raw(o, "messages", STR("{}"));
	json_put_raw(o, "response", STR("{}"));
}

static void put_redacted(struct json_out *o)
{
	json_put_raw(o, "messages",
		     STR("[{\"role\":\"user\",\"content\":\"redacted-by-litellm\"}]"));
	json_put_raw(o, "response", STR("{\"text\":\"redacted-by-litellm\"}"));
}

static void put_why(struct json_out *o, const char *why)
{
	put_nothing(o);
	json_put_z(o, "texts_missing", why);
}

/* As it is where it is whole; else as a text that says how much is not there. */
static void put_text(struct json_out *o, const char *name, struct str text, uint32_t cut,
		     const struct json *root)
{
	if (root || (!cut && !text.n)) {
		json_put_raw(o, name, root ? text : STR("{}"));
		return;
	}
	json_put_raw(o, name, STR("\""));
	json_escape(o->to, text);
	if (cut)
		buf_printf(o->to, " ... [%u bytes cut]", cut);
	buf_put_char(o->to, '"');
}

static const struct json *parse(struct texts_reader *t, struct str text, uint32_t cut)
{
	struct json_error e;
	if (cut || !text.n)
		return NULL;
	if (!t->tree)
		t->tree = arena_new(TREE_MAX);
	return t->tree ? json_parse(t->tree, text, 0, &e) : NULL;
}

/* What stands for the prompt in each dialect. */
static struct str prompt_of(const struct json *root)
{
	static const char *const names[] = { "messages", "input", "prompt", "contents", "message",
					     "inputs", "texts", "query" };
	for (size_t i = 0; i < COUNT(names); i++) {
		const struct json *j = json_is(root, JSON_OBJECT) ? json_get(root, names[i]) : NULL;
		if (json_is_given(j))
			return j->raw;
	}
	return STR("{}");
}

static void put_plain(struct texts_reader *t, const struct texts_plain *p, struct json_out *o)
{
	struct str prompt = p->text[TEXT_PROMPT], answer = p->text[TEXT_ANSWER];
	const struct json *root = parse(t, prompt, p->cut[TEXT_PROMPT]);
	json_put_raw(o, "messages", prompt_of(root));
	put_text(o, "proxy_server_request", prompt, p->cut[TEXT_PROMPT], root);
	root = parse(t, answer, p->cut[TEXT_ANSWER]);
	put_text(o, "response", answer, p->cut[TEXT_ANSWER], root);
	if (p->cut[TEXT_PROMPT] || p->cut[TEXT_ANSWER]) {
		json_open(o, "texts_cut");
		json_put_u64(o, "prompt_bytes", p->cut[TEXT_PROMPT]);
		json_put_u64(o, "response_bytes", p->cut[TEXT_ANSWER]);
		json_close(o);
	}
	if (t->tree)
		arena_reset(t->tree);
}

static int use_key(struct texts_reader *t, struct store_db *db, int64_t number)
{
	if (t->key_number == number)
		return 0;
	t->key_number = 0;
	int err = texts_key_read(db, &t->seal, number, &t->key);
	t->key_number = err ? 0 : number;
	return err;
}

void texts_put(struct texts_reader *t, struct store_db *db, struct str request_id,
	       struct json_out *o)
{
	struct texts_plain plain;
	if (!t || request_id.n != 16) {
		put_nothing(o);
		return;
	}
	if (o->to->n > SHOWN_MAX) {
		put_why(o, "the answer would be too long: ask for fewer requests");
		return;
	}
	struct sql *q = sql_query(db, "SELECT key, sealed FROM spend_texts WHERE request_id = ?");
	sql_blob(q, 1, request_id.p, request_id.n);
	int r = sql_row(q);
	struct str sealed = r > 0 ? sql_get_blob(q, 1) : STR_NONE;
	if (r <= 0) {
		put_nothing(o);
	} else if (!sealed.n) {
		put_redacted(o);
	} else {
		int err = use_key(t, db, sql_get_int(q, 0));
		if (!err)
			err = texts_unpack(&t->key, request_id, sealed, &t->plain, &plain);
		if (err)
			put_why(o, "sealed with another key, or damaged");
		else
			put_plain(t, &plain, o);
	}
	sql_end(q);
}
