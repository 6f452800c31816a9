/* One run: lives one after the other on one disk, each ended by its operator or by a crash, until everything was accepted. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "run.h"
#include "tree.h"

enum { LIVES_MAX = 7, CHANGES_SAID = 1000 };

#define WALL_NS (INT64_C(1767225600) * NS_PER_S) /* 2026-01-01T00:00:00Z */

void run_failed(struct run *r, const char *format, ...)
{
	va_list args;
	fflush(stdout);
	fprintf(stderr, "seed %llu, life %u (%s): ", (unsigned long long)r->seed, r->life,
	        r->life_is != NULL ? r->life_is : "before the first");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	sched_describe(r->sched);
	fprintf(stderr, "repeat it: build/tests/sim --seed %llu", (unsigned long long)r->seed);
	if (r->steps != 0)
		fprintf(stderr, " --steps %u", r->steps);
	fprintf(stderr, "\n");
	_exit(1);
}

void run_say(const struct run *r, const char *format, ...)
{
	va_list args;
	if (!r->verbose)
		return;
	printf("%12.6f %-12s ", (double)clock_mono_ns() / 1e9, sched_running(r->sched));
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static void set_path(struct run *r, char **at, const char *path)
{
	mem_free(*at);
	*at = mem_strndup(path, strlen(path));
	if (*at == NULL)
		run_failed(r, "the simulation itself: out of memory");
}

static void configure(struct run *r)
{
	struct config *c = &r->config;
	if (config_init(c) != 0)
		run_failed(r, "the simulation itself: out of memory");
	set_path(r, &c->data, "data");
	set_path(r, &c->scripts, "scripts");
	set_path(r, &c->plugins, "plugins");
	set_path(r, &c->conf_dir, "conf");
	r->retention = random_once_in(&r->random, 4);
	r->interval = random_once_in(&r->random, 6);
	c->journal.durability = r->interval ? DURABILITY_INTERVAL : DURABILITY_GROUP;
	c->journal.segment_bytes = 1 << 20;
	if (r->retention)
		c->journal.retention_bytes = UINT64_C(2) << 20;
	c->journal.checkpoint_ns = (int64_t)(1 + random_below(&r->random, 20)) * NS_PER_S;
	c->dedup.window_ns = INT64_C(365) * 86400 * NS_PER_S;
	c->limits.memory_mb = 4;
}

/* Every change of the disk, byte for byte, goes into the run's number. */
static void note_disk(struct run *r)
{
	const struct vdisk *d = r->disk;
	for (uint32_t i = 0; i < d->log_count; i++) {
		const struct change *c = &d->log[i];
		uint64_t words[] = {(uint64_t)c->kind, c->node, c->dir, c->to_dir, c->offset, c->len, c->failed};
		sched_note(r->sched, words, sizeof words);
		if (c->name != NULL)
			sched_note(r->sched, c->name, strlen(c->name));
		if (c->bytes != NULL)
			sched_note(r->sched, c->bytes->bytes, c->len);
	}
	r->disk_changes += d->log_count;
}

static void replace_disk(struct run *r, struct vdisk *d)
{
	note_disk(r);
	vdisk_free(r->disk);
	r->disk = d;
}

/* How the next life ends. Returns the decision at which it is cut; 0: it is not. */
static uint64_t draw_life(struct run *r, bool *power)
{
	static const uint64_t cuts[] = {100, 1000, 10000, 100000};
	bool crash = !random_once_in(&r->random, 3) && !r->last;
	*power = crash && !random_once_in(&r->random, 3);
	r->life_is = r->last ? "the last" : *power ? "power loss" : crash ? "killed" : "orderly";
	r->length_ns = (int64_t)random_below(&r->random, 30 * NS_PER_S);
	uint64_t at = 1 + random_below(&r->random, cuts[random_below(&r->random, 4)]);
	return crash ? at : 0;
}

static void begin_life(struct run *r)
{
	r->lives++;
	r->lock = (struct mutex){0};
	r->draining = r->stopping = r->started = r->writable = false;
	buf_reset(&r->before);
	if (r->last)
		faults_calm(r);
	else
		faults_draw(r);
	faults_attach(r, r->disk);
	vdisk_install(r->disk);
}

/* What the disk was told last. */
static void say_changes(const struct run *r)
{
	char line[512];
	uint64_t at = vdisk_mark(r->disk);
	for (uint64_t i = at > CHANGES_SAID ? at - CHANGES_SAID : 0; i < at && r->verbose; i++) {
		vdisk_describe(r->disk, i, line, sizeof line);
		run_say(r, "  change %llu: %s", (unsigned long long)i, line);
	}
}

static void end_life(struct run *r, bool power)
{
	uint64_t at = vdisk_mark(r->disk);
	vdisk_install(NULL);
	r->crashes++;
	r->engine = NULL; /* abandoned with its threads */
	r->faults.capacity = 0;
	run_say(r, "%s after %llu changes of the disk", r->life_is, (unsigned long long)at);
	say_changes(r);
	replace_disk(r, power ? vdisk_crash(r->disk, at, random_next(&r->random)) : vdisk_kill(r->disk, at));
}

static void live(struct run *r)
{
	bool power;
	uint64_t cut_at = draw_life(r, &power);
	begin_life(r);
	run_say(r, "life %u: %s", r->life, r->life_is);
	enum sched_end end = sched_run(r->sched, life_run, r, cut_at);
	if (end != SCHED_OVER && end != SCHED_CUT)
		run_failed(r, "%s", sched_end_text(end));
	struct buf none = {0};
	bool orderly = end == SCHED_OVER && r->started && r->writable;
	if (end == SCHED_CUT)
		end_life(r, power);
	else
		vdisk_install(NULL);
	sender_close(r, end == SCHED_CUT && power);
	book_close(r, end == SCHED_CUT && power);
	vdisk_set_capacity(r->disk, 0);
	life_verify(r, orderly ? &r->before : &none);
}

uint64_t run_seed(struct run *r)
{
	r->random = random_fork(r->seed, 1);
	r->faults.random = random_fork(r->seed, 2);
	hash_seed_set(random_next(&r->random));
	int64_t wall_ns = WALL_NS + (int64_t)random_below(&r->random, UINT64_C(86400) * 30 * NS_PER_S);
	r->sched = sched_new(r->seed, wall_ns);
	r->sender.base_ms = wall_ns / NS_PER_MS;
	r->disk = vdisk_new();
	configure(r);
	book_init(r);
	sender_init(r);
	while (!scripts_put(r, random_next(&r->random))) {
	}
	uint32_t lives = r->steps != 0 ? r->steps : 1 + (uint32_t)random_below(&r->random, LIVES_MAX);
	for (r->life = 1; r->life <= lives; r->life++)
		live(r);
	while (!scripts_put(r, random_next(&r->random))) {
	}
	r->last = true;
	live(r);
	for (uint32_t i = 0; i < r->book.clients; i++) {
		if (!book_is_done(r, i))
			run_failed(r, "client %u ended before everything was accepted", i);
	}
	if (!sender_is_done(r))
		run_failed(r, "the sender ended before all its samples were accepted");
	note_disk(r);
	vdisk_free(r->disk);
	r->disk = NULL;
	config_deinit(&r->config);
	buf_free(&r->before);
	buf_free(&r->history);
	return sched_hash(r->sched);
}
