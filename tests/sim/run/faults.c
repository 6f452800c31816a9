/* What a disk may do: fail, write or read less than it was asked for, be slow, be full. Each operation is noted in the run's number, and is a place where another
 * thread may run. Built without ThreadSanitizer: the disk's own words are not the engine's to order. */
#include <errno.h>
#include <string.h>

#include "run.h"

#define EXCUSE_NS (5 * NS_PER_S)

static int error_of(struct faults *f, enum vdisk_op op)
{
	bool takes_room = op == VDISK_WRITE || op == VDISK_ALLOCATE || op == VDISK_MAKE_DIR || op == VDISK_RENAME;
	return takes_room && random_once_in(&f->random, 2) ? ENOSPC : EIO;
}

static void injected(struct run *r)
{
	r->faults.injected++;
	r->faults_injected++;
	r->faults.last_ns = clock_mono_ns();
}

static int before(void *ctx, enum vdisk_op op, const char *path, size_t *len)
{
	struct run *r = ctx;
	struct faults *f = &r->faults;
	uint64_t words[2] = {(uint64_t)op, *len};
	sched_note(r->sched, words, sizeof words);
	sched_note(r->sched, path, strlen(path));
	sched_point(r->sched);
	if (!f->on)
		return 0;
	if (op == VDISK_SYNC && random_once_in(&f->random, f->slow_every))
		sched_sleep(r->sched, (int64_t)random_below(&f->random, 3 * NS_PER_S));
	if (random_once_in(&f->random, f->fail_every[op])) {
		injected(r);
		int code = error_of(f, op);
		run_say(r, "%s: operation %d of %s fails with %s", sched_running(r->sched), (int)op, path,
		        strerror(code));
		return code;
	}
	if ((op == VDISK_WRITE || op == VDISK_READ) && *len > 1 && random_once_in(&f->random, f->short_every))
		*len = 1 + random_below(&f->random, *len - 1);
	return 0;
}

void faults_attach(struct run *r, struct vdisk *d)
{
	vdisk_ask(d, before, r);
}

void faults_calm(struct run *r)
{
	struct random random = r->faults.random;
	r->faults = (struct faults){.random = random};
}

void faults_draw(struct run *r)
{
	static const uint32_t rates[] = {10, 50, 200, 1000};
	struct faults *f = &r->faults;
	faults_calm(r);
	if (random_once_in(&f->random, 3))
		return;
	f->on = true;
	f->short_every = random_once_in(&f->random, 2) ? 4 : 0;
	f->slow_every = random_once_in(&f->random, 2) ? 1 + (uint32_t)random_below(&f->random, 20) : 0;
	for (int op = 0; op < OPS; op++) {
		bool reads = op == VDISK_READ || op == VDISK_MAP || op == VDISK_LIST || op == VDISK_LOCK;
		if (random_once_in(&f->random, reads ? 12 : 4))
			f->fail_every[op] = rates[random_below(&f->random, 4)];
	}
}

bool faults_excuse(const struct run *r)
{
	const struct faults *f = &r->faults;
	return f->capacity != 0 || (f->injected > 0 && clock_mono_ns() - f->last_ns < EXCUSE_NS);
}

bool faults_were(const struct run *r)
{
	return r->faults.injected > 0;
}

void faults_fill_disk(struct run *r)
{
	if (!r->faults.on || r->faults.capacity != 0)
		return;
	r->faults.capacity = vdisk_used(r->disk) + random_below(&r->faults.random, 1 << 20);
	vdisk_set_capacity(r->disk, r->faults.capacity);
	injected(r);
}

void faults_free_disk(struct run *r)
{
	if (r->faults.capacity == 0)
		return;
	vdisk_set_capacity(r->disk, 0);
	r->faults.capacity = 0;
	injected(r);
}

int faults_put(struct run *r, const char *path, const void *bytes, size_t len)
{
	vdisk_set_capacity(r->disk, 0);
	int code = vdisk_put(r->disk, path, bytes, len);
	vdisk_set_capacity(r->disk, r->faults.capacity);
	return code;
}
