/* SPDX-License-Identifier: MIT
 * flusher.c - see flusher.h. Sleeps on a condition while nothing is dirty; wakes at most every
 * 5 ms while something is. */
#include "worker/settle/flusher.h"

#include <errno.h>
#include <time.h>
#include <uv.h>

#include "common/clock.h"
#include "common/mem.h"

enum { FLUSH_NS = 5000000 };

struct flusher {
	struct journal *j;
	struct board_worker *row;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t dirty;
	uv_async_t *told;
	_Atomic bool is_dirty, is_stopping, is_ill, is_awaited;
};

static void flush(struct flusher *f)
{
	(void)atomic_exchange(&f->is_dirty, false);	/* first: who says so again comes behind */
	uint64_t last = atomic_load_explicit(&f->row->journal_last, memory_order_acquire);
	bool is_awaited = atomic_exchange(&f->is_awaited, false);
	if (journal_flush(f->j) < 0)
		atomic_store(&f->is_ill, true);
	else
		atomic_store_explicit(&f->row->journal_flushed, last, memory_order_release);
	if (is_awaited)
		uv_async_send(f->told);
}

static void *run(void *data)
{
	struct flusher *f = data;
	const struct timespec pause = { .tv_nsec = FLUSH_NS };
	while (!atomic_load(&f->is_stopping)) {
		pthread_mutex_lock(&f->mutex);
		while (!atomic_load(&f->is_dirty) && !atomic_load(&f->is_stopping))
			pthread_cond_wait(&f->dirty, &f->mutex);
		pthread_mutex_unlock(&f->mutex);
		nanosleep(&pause, NULL);
		flush(f);
	}
	flush(f);
	return NULL;
}

int flusher_start(struct journal *j, struct board_worker *row, uv_async_t *told,
		  struct flusher **ret)
{
	struct flusher *f = mem_alloc(sizeof *f);
	if (!f)
		return -ENOMEM;
	f->j = j;
	f->row = row;
	f->told = told;
	pthread_mutex_init(&f->mutex, NULL);
	pthread_cond_init(&f->dirty, NULL);
	int err = pthread_create(&f->thread, NULL, run, f);
	if (err) {
		mem_free(f);
		return -err;
	}
	*ret = f;
	return 0;
}

void flusher_wake(struct flusher *f)
{
	if (atomic_exchange(&f->is_dirty, true))
		return;			/* it is awake, or will be */
	pthread_mutex_lock(&f->mutex);
	pthread_cond_signal(&f->dirty);
	pthread_mutex_unlock(&f->mutex);
}

void flusher_tell(struct flusher *f)
{
	atomic_store(&f->is_awaited, true);
	flusher_wake(f);
}

void flusher_stop(struct flusher *f)
{
	atomic_store(&f->is_stopping, true);
	pthread_mutex_lock(&f->mutex);
	pthread_cond_signal(&f->dirty);
	pthread_mutex_unlock(&f->mutex);
	pthread_join(f->thread, NULL);
	mem_free(f);
}

bool flusher_is_well(const struct flusher *f)
{
	return !atomic_load(&f->is_ill);
}
