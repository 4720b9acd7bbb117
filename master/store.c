/* SPDX-License-Identifier: MIT
 * store.c - two threads with a queue each, and the way back to the loop; see store.h.
 *
 * The writer takes all that is queued (GROUP_MAX at most) into one transaction, each job in a
 * savepoint of its own: what one job does wrong is undone alone, what the disk does wrong undoes
 * the group. A job that is alone has none, for which SQLite would copy each page that is changed.
 * One mutex guards the queues; no job runs under it. */
#include "master/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/audit.h"
#include "master/state.h"
#include "master/store_db.h"
#include "master/store_sql.h"

enum { GROUP_MAX = 512, READ_MS = 2000, PROGRESS_STEPS = 2000 };

struct task {
	struct task *next;
	store_job_fn *job;
	store_done_fn *done;
	void *data;
	struct audit_origin *origin;	/* who it is done for; or NULL */
	int err;
	bool is_waited, is_over;	/* store_write_wait(): the caller's, not the heap's */
};
struct queue {
	struct task *first, *last;
	size_t n;
};
struct lane {				/* a thread, what it is to do, its connection */
	struct store *store;
	pthread_t thread;
	pthread_cond_t wake;
	struct queue queue;
	struct store_db db;
};
struct store {
	uv_loop_t *loop;
	uv_async_t async;
	int lock_fd;
	pthread_mutex_t mutex;
	pthread_cond_t waited;
	struct lane writer, reader;
	struct queue done;
	bool is_stopping;
	uint64_t pending;		/* on the loop: jobs whose done has not run */
	struct audit_origin *origin;	/* on the loop: of what is given now */
	_Atomic int health;
};
struct backup {
	store_done_fn *done;
	void *data;
	char *to;
};

static void queue_put(struct queue *q, struct task *t)
{
	t->next = NULL;
	if (q->last)
		q->last->next = t;
	else
		q->first = t;
	q->last = t;
	q->n++;
}

static struct queue queue_take(struct queue *q, size_t most)
{
	struct queue out = { 0 };
	while (q->first && out.n < most) {
		struct task *t = q->first;
		q->first = t->next;
		q->n--;
		queue_put(&out, t);
	}
	if (!q->first)
		q->last = NULL;
	return out;
}

/* Sleeps until there is something to do; an empty queue means that the store stops. */
static struct queue lane_next(struct lane *l, size_t most)
{
	struct store *s = l->store;
	pthread_mutex_lock(&s->mutex);
	while (!l->queue.first && !s->is_stopping)
		pthread_cond_wait(&l->wake, &s->mutex);
	struct queue q = queue_take(&l->queue, most);
	pthread_mutex_unlock(&s->mutex);
	return q;
}

static void hand_back(struct store *s, struct queue q)
{
	bool is_for_loop = false;
	pthread_mutex_lock(&s->mutex);
	while (q.first) {
		struct task *t = q.first;
		q.first = t->next;
		if (t->is_waited) {
			t->is_over = true;
			continue;
		}
		is_for_loop = true;
		queue_put(&s->done, t);
	}
	pthread_cond_broadcast(&s->waited);
	pthread_mutex_unlock(&s->mutex);
	if (is_for_loop)
		uv_async_send(&s->async);
}

static void roll_back(struct store_db *d)
{
	if (!sqlite3_get_autocommit(d->db) && sql_exec(d, "ROLLBACK"))
		return;			/* the next BEGIN says what is wrong */
}

/* 0, whatever the job said, or what makes the whole transaction void. */
static int run_job(struct store_db *d, struct task *t)
{
	int err = sql_run(sql_query(d, "SAVEPOINT job"));
	if (err)
		return err;
	store_audit_begin(d, t->origin);
	t->err = store_audit_end(d, t->job(d, t->data));
	if (sqlite3_get_autocommit(d->db))
		return t->err ? t->err : -EIO;	/* SQLite itself has given the transaction up */
	if (t->err)
		err = sql_run(sql_query(d, "ROLLBACK TO job"));
	return err ? err : sql_run(sql_query(d, "RELEASE job"));
}

/* The same for one that is alone. What it did wrong, which the disk took, is no failure of ours. */
static int run_alone(struct store_db *d, struct task *t)
{
	store_audit_begin(d, t->origin);
	t->err = store_audit_end(d, t->job(d, t->data));
	if (sqlite3_get_autocommit(d->db))
		return t->err ? t->err : -EIO;
	return sql_run(sql_query(d, t->err ? "ROLLBACK" : "COMMIT"));
}

static int run_all(struct store_db *d, struct queue q)
{
	int err = 0;
	for (struct task *t = q.first; t && !err; t = t->next)
		err = run_job(d, t);
	return err ? err : sql_run(sql_query(d, "COMMIT"));
}

static int run_group(struct store_db *d, struct queue q)
{
	int err = sql_run(sql_query(d, "BEGIN IMMEDIATE"));
	if (!err)
		err = q.n == 1 ? run_alone(d, q.first) : run_all(d, q);
	if (!err)
		return 0;
	roll_back(d);
	for (struct task *t = q.first; t; t = t->next)
		t->err = err;
	return err;
}

/* A job that the disk failed says so too, even when the group went on without it. */
static int worst_of(struct queue q)
{
	for (struct task *t = q.first; t; t = t->next)
		if (t->err == -EIO || t->err == -ENOSPC)
			return t->err;
	return 0;
}

static void *writer_main(void *data)
{
	struct lane *l = data;
	struct queue q;
	pthread_setname_np(pthread_self(), "store.write");
	while ((q = lane_next(l, GROUP_MAX)).first) {
		int before = sqlite3_total_changes(l->db.db);
		int err = run_group(&l->db, q);
		if (!err)
			err = worst_of(q);
		if (err || sqlite3_total_changes(l->db.db) != before)
			atomic_store(&l->store->health, err);
		hand_back(l->store, q);
	}
	return NULL;
}

static int on_progress(void *data)
{
	struct store_db *d = data;
	return d->deadline_ns && clock_ns() > d->deadline_ns;
}

static void *reader_main(void *data)
{
	struct lane *l = data;
	struct queue q;
	pthread_setname_np(pthread_self(), "store.read");
	sqlite3_progress_handler(l->db.db, PROGRESS_STEPS, on_progress, &l->db);
	while ((q = lane_next(l, 1)).first) {
		struct task *t = q.first;
		l->db.deadline_ns = clock_ns() + READ_MS * NS_PER_MS;
		t->err = sql_run(sql_query(&l->db, "BEGIN"));
		if (!t->err)
			t->err = t->job(&l->db, t->data);
		l->db.deadline_ns = 0;
		roll_back(&l->db);
		hand_back(l->store, q);
	}
	return NULL;
}

struct audit_origin *store_origin(const struct store *s)
{
	return s->origin;
}

struct audit_origin *store_set_origin(struct store *s, struct audit_origin *o)
{
	struct audit_origin *before = s->origin;
	s->origin = o;
	return before;
}

static void deliver(struct store *s)
{
	pthread_mutex_lock(&s->mutex);
	struct queue q = queue_take(&s->done, SIZE_MAX);
	pthread_mutex_unlock(&s->mutex);
	while (q.first) {
		struct task *t = q.first;
		q.first = t->next;
		s->pending--;
		struct audit_origin *before = store_set_origin(s, t->origin);
		if (t->done)
			t->done(t->data, t->err);
		store_set_origin(s, before);
		audit_origin_drop(t->origin);
		mem_free(t);
	}
	if (s->pending == 0)
		uv_unref((uv_handle_t *)&s->async);
}

static void on_async(uv_async_t *a)
{
	deliver(a->data);
}

static void on_closed(uv_handle_t *h)
{
	mem_free(h->data);
}

/* Signals are the loop's business. */
static int start_thread(struct lane *l, void *(*run)(void *))
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int r = pthread_create(&l->thread, NULL, run, l);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

static void stop_lane(struct lane *l)
{
	pthread_mutex_lock(&l->store->mutex);
	l->store->is_stopping = true;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->store->mutex);
	pthread_join(l->thread, NULL);
}

static int start_threads(struct store *s, char reterr[256])
{
	int err = start_thread(&s->writer, writer_main);
	if (!err) {
		err = start_thread(&s->reader, reader_main);
		if (err)
			stop_lane(&s->writer);
	}
	if (err)
		state_say(reterr, "cannot start a thread: %s", strerror(-err));
	return err;
}

static struct store *store_new(uv_loop_t *loop)
{
	struct store *s = mem_alloc(sizeof *s);
	if (!s)
		return NULL;
	*s = (struct store){ .loop = loop, .lock_fd = -1 };
	s->writer.store = s->reader.store = s;
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->waited, NULL);
	pthread_cond_init(&s->writer.wake, NULL);
	pthread_cond_init(&s->reader.wake, NULL);
	return s;
}

/* The reader first: the last connection to close takes the -wal file with it. */
static void close_files(struct store *s)
{
	store_db_close(&s->reader.db);
	store_db_close(&s->writer.db);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
}

/* A restore that was decided and not finished: its maker was killed, or the power failed. */
static int finish_restore(const char *dir, char reterr[256])
{
	char kept[STATE_NAME] = "";
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = fd < 0 ? -errno : state_finish(fd, kept);
	if (err > 0)
		LOG(LOG_WARN, "store.restored", F_Z("kept_as", kept));
	if (err < 0)
		state_say(reterr, "cannot finish the restore that %s/restore.ready tells of: %s",
			  dir, strerror(-err));
	if (fd >= 0)
		close(fd);
	return err < 0 ? err : 0;
}

int store_open(const char *dir, uv_loop_t *loop, struct store **ret, char reterr[256])
{
	struct store *s = store_new(loop);
	if (!s)
		return state_say(reterr, "out of memory"), -ENOMEM;
	int err = s->lock_fd = state_lock(dir, reterr);
	if (err >= 0)
		err = finish_restore(dir, reterr);
	if (!err)
		err = store_db_open_writer(&s->writer.db, dir, reterr);
	if (!err)
		err = store_db_open_reader(&s->reader.db, dir, reterr);
	if (!err)
		err = start_threads(s, reterr);
	if (err) {
		close_files(s);
		mem_free(s);
		return err;
	}
	uv_async_init(loop, &s->async, on_async);
	s->async.data = s;
	uv_unref((uv_handle_t *)&s->async);
	*ret = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	stop_lane(&s->writer);
	stop_lane(&s->reader);
	while (s->done.first)
		deliver(s);
	close_files(s);
	uv_close((uv_handle_t *)&s->async, on_closed);
}

static int give(struct lane *l, struct task *t)
{
	struct store *s = l->store;
	pthread_mutex_lock(&s->mutex);
	bool is_late = s->is_stopping;
	if (!is_late) {
		queue_put(&l->queue, t);
		pthread_cond_signal(&l->wake);
	}
	pthread_mutex_unlock(&s->mutex);
	return is_late ? -ECANCELED : 0;
}

static int give_new(struct lane *l, store_job_fn *job, store_done_fn *done, void *data)
{
	struct task *t = mem_alloc(sizeof *t);
	if (!t)
		return -ENOMEM;
	*t = (struct task){ .job = job, .done = done, .data = data,
			    .origin = audit_origin_keep(l->store->origin) };
	int err = give(l, t);
	if (err) {
		audit_origin_drop(t->origin);
		mem_free(t);
		return err;
	}
	if (l->store->pending++ == 0)
		uv_ref((uv_handle_t *)&l->store->async);
	return 0;
}

int store_write(struct store *s, store_job_fn *job, store_done_fn *done, void *data)
{
	return give_new(&s->writer, job, done, data);
}

int store_read(struct store *s, store_job_fn *job, store_done_fn *done, void *data)
{
	return give_new(&s->reader, job, done, data);
}

int store_write_wait(struct store *s, store_job_fn *job, void *data)
{
	struct task t = { .job = job, .data = data, .is_waited = true };
	int err = give(&s->writer, &t);
	if (err)
		return err;
	pthread_mutex_lock(&s->mutex);
	while (!t.is_over)
		pthread_cond_wait(&s->waited, &s->mutex);
	pthread_mutex_unlock(&s->mutex);
	return t.err;
}

void store_drain(struct store *s)
{
	while (s->pending) {
		pthread_mutex_lock(&s->mutex);
		while (!s->done.first)
			pthread_cond_wait(&s->waited, &s->mutex);
		pthread_mutex_unlock(&s->mutex);
		deliver(s);
	}
}

int store_health(struct store *s)
{
	return atomic_load(&s->health);
}

uint64_t store_queue_depth(struct store *s)
{
	pthread_mutex_lock(&s->mutex);
	uint64_t n = s->writer.queue.n;
	pthread_mutex_unlock(&s->mutex);
	return n;
}

static int backup_job(struct store_db *d, void *data)
{
	struct backup *b = data;
	d->deadline_ns = 0;		/* it takes what it takes */
	return store_copy(d, b->to);
}

static void backup_done(void *data, int err)
{
	struct backup *b = data;
	if (b->done)
		b->done(b->data, err);
	mem_free(b->to);
	mem_free(b);
}

int store_backup(struct store *s, const char *to, store_done_fn *done, void *data)
{
	struct backup *b = mem_alloc(sizeof *b);
	if (!b)
		return -ENOMEM;
	*b = (struct backup){ .done = done, .data = data, .to = mem_dup(to, strlen(to)) };
	int err = b->to ? store_read(s, backup_job, backup_done, b) : -ENOMEM;
	if (err) {
		mem_free(b->to);
		mem_free(b);
	}
	return err;
}
