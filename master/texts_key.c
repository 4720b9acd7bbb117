/* SPDX-License-Identifier: MIT
 * texts_key.c - see texts_key.h. */
#include "master/texts_key.h"

#include <errno.h>

#include "common/hash.h"
#include "common/mem.h"
#include "master/store_sql.h"

struct texts_key {			/* SECRET */
	struct seal seal, key;
	int64_t number;
	texts_key_fn *done;		/* NULL: nobody waits */
	void *data;
};

static int open_key(const struct seal *seal, struct str sealed, struct seal *ret)
{
	struct buf root;
	buf_init(&root, 256);
	int err = seal_open(seal, sealed, STR("texts"), &root);
	if (!err && root.n != SEAL_KEY)
		err = -EBADMSG;
	if (!err)
		seal_from(ret, (const uint8_t *)root.p);
	if (root.p)
		mem_wipe(root.p, root.room);
	buf_done(&root);
	return err;
}

int texts_key_read(struct store_db *db, const struct seal *seal, int64_t number, struct seal *ret)
{
	struct sql *q = sql_query(db, "SELECT sealed FROM spend_text_keys WHERE number = ?");
	sql_int(q, 1, number);
	int r = sql_row(q);
	int err = r > 0 ? open_key(seal, sql_get_blob(q, 0), ret) : r < 0 ? r : -ENOENT;
	sql_end(q);
	return err;
}

static int make_key(struct store_db *db, struct texts_key *k)
{
	uint8_t root[SEAL_KEY];
	struct buf sealed;
	buf_init(&sealed, 256);
	hash_random(root, sizeof root);
	seal_from(&k->key, root);
	seal_close(&k->seal, str_of((const char *)root, sizeof root), STR("texts"), &sealed);
	mem_wipe(root, sizeof root);
	struct sql *q = sql_query(db, "INSERT INTO spend_text_keys (sealed) VALUES (?)");
	sql_blob(q, 1, sealed.p, sealed.n);
	int err = sealed.failed ? -ENOMEM : sql_run(q);
	k->number = sql_last_id(db);
	buf_done(&sealed);
	return err;
}

static int key_job(struct store_db *db, void *data)
{
	struct texts_key *k = data;
	struct sql *q = sql_query(db, "SELECT max(number) FROM spend_text_keys");
	int r = sql_row(q);
	k->number = r > 0 ? sql_get_int(q, 0) : 0;
	sql_end(q);
	if (r < 0)
		return r;
	int err = k->number ? texts_key_read(db, &k->seal, k->number, &k->key) : -ENOENT;
	return err == -ENOENT || err == -ENOKEY || err == -EBADMSG ? make_key(db, k) : err;
}

static void on_done(void *data, int err)
{
	struct texts_key *k = data;
	if (k->done)
		k->done(k->data, err, &k->key, k->number);
	mem_wipe(k, sizeof *k);
	mem_free(k);
}

struct texts_key *texts_key_ask(struct store *s, const struct seal *seal, texts_key_fn *done,
				void *data)
{
	struct texts_key *k = mem_alloc(sizeof *k);
	if (!k)
		return NULL;
	k->seal = *seal;
	k->done = done;
	k->data = data;
	if (store_write(s, key_job, on_done, k) == 0)
		return k;
	mem_wipe(k, sizeof *k);
	mem_free(k);
	return NULL;
}

void texts_key_forget(struct texts_key *k)
{
	if (k)
		k->done = NULL;
}
