/* Row 2: power loss. The engine runs with its threads on a virtual disk under a load of events with ids, with checkpoints, segments that are sealed and
 * reused, reloads, short writes and failing syncs. Then the power is cut after changes chosen at random, and of what may be left of the disk one state
 * is made: it has to open, to hold every event that had been acknowledged, once, and nothing that was not sent. A state's life goes on: the client sends
 * everything again, and the power may be cut once more, during recovery too, or the process be killed before.
 *
 * TORTURE_SEED: the first seed (1). The threads make the loads differ from run to run all the same; a life that fails is shown with the changes before it. */
#include <unistd.h>

#include "base/file.h"
#include "support/gateway.h"

static const struct row row = {2, "power loss"};

enum { CHANGES_SHOWN = 12, LIVES_MAX = 3, EVENTS = 3000, LOAD_TROUBLES = 6, LIFE_TROUBLES = 1, ROUNDS_MAX = 100 };

struct figures {
	uint32_t states, later, troubled;
	uint64_t acked, changes;
	double checkpoints, sealed, reloads, failures; /* of the loads */
};

static uint64_t draw(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* ---- the load ---- */

/* Short writes all the time, and a few syncs and writes that fail. */
struct trouble {
	_Atomic uint64_t operations;
	_Atomic uint32_t left; /* so many more fail */
	uint64_t seed;
};

static int make_trouble(void *ctx, enum vdisk_op op, const char *path, size_t *len)
{
	struct trouble *t = ctx;
	uint64_t state = t->seed + atomic_fetch_add(&t->operations, 1);
	uint64_t dice = draw(&state);
	if (op == VDISK_WRITE && dice % 4 == 0 && *len > 1)
		*len = 1 + (dice >> 8) % *len;
	bool fails = (op == VDISK_SYNC && dice % 100 == 1) || (op == VDISK_SYNC_DIR && dice % 20 == 1) ||
	             (op == VDISK_WRITE && dice % 400 == 1) || (op == VDISK_RENAME && dice % 20 == 1);
	if (!fails || strncmp(path, "data", 4) != 0)
		return 0;
	uint32_t left = atomic_load(&t->left);
	while (left > 0 && !atomic_compare_exchange_weak(&t->left, &left, left - 1))
		;
	if (left == 0)
		return 0;
	return op == VDISK_WRITE ? ENOSPC : EIO;
}

static void put_script(struct gateway *g, unsigned variant)
{
	char text[1024], what[32];
	struct error err = {0};
	snprintf(what, sizeof what, "variant %u", variant);
	int len = snprintf(text, sizeof text, COUNT_SCRIPT, what);
	if (file_write_atomic("scripts/metrics/count.lua", text, (size_t)len, &err) != 0 || gateway_reload(g) != 0)
		LOG(LOG_WARN, "a reload failed", log_str("error", err.text));
}

static bool all_acked(struct book *b, uint32_t first, uint32_t count)
{
	bool acked = true;
	pthread_mutex_lock(&b->lock);
	for (uint32_t i = 0; i < count; i++)
		acked = acked && b->acked[first + i] != NEVER;
	pthread_mutex_unlock(&b->lock);
	return acked;
}

/* A client that was refused comes back when the gateway says that it can write. */
static void wait_writable(struct gateway *g)
{
	while (gateway_metric(g, "moongate_journal_writable") == 0)
		usleep(1000);
}

/* Sends every event until it is acknowledged; a reload now and then; waits while maintenance is far behind, so that segments are sealed and reused. */
static void run_load(struct gateway *g, struct book *b, uint64_t seed)
{
	uint64_t sent = 0;
	uint32_t window = 1 + (uint32_t)(draw(&seed) % 6);
	for (unsigned round = 0; !all_acked(b, 0, b->count); round++) {
		if (round > ROUNDS_MAX)
			row_failed(&row, "the load does not come to its end");
		for (uint32_t first = 0; first < b->count;) {
			uint32_t count = 1 + (uint32_t)(draw(&seed) % 12);
			if (count > b->count - first)
				count = b->count - first;
			if (!all_acked(b, first, count)) {
				book_send(b, g->engine, first, count, window);
				if (++sent % 40 == 0)
					put_script(g, (unsigned)sent);
				while (sent % 10 == 0 && gateway_metric(g, "moongate_journal_segments") > 3)
					usleep(200);
			}
			first += count;
		}
		book_settle(b);
		wait_writable(g);
	}
}

/* ---- a state ---- */

struct life {
	struct vdisk *disk;
	struct book book;
	struct vdisk *before; /* the disk it came from, after change `at` by `seed` */
	uint64_t seed, at;
	bool killed;
};

/* The changes before the cut, then the line that says what is wrong. */
__attribute__((noreturn)) static void life_failed(const struct life *l, const char *what, double found, double wanted)
{
	char line[256];
	for (uint64_t i = l->at > CHANGES_SHOWN ? l->at - CHANGES_SHOWN : 0; i < l->at; i++) {
		vdisk_describe(l->before, i, line, sizeof line);
		fprintf(stderr, "  change %llu: %s\n", (unsigned long long)i, line);
	}
	row_failed(&row, "life %llu, %s after change %llu: %s: %.0f, wanted %.0f", (unsigned long long)l->seed,
	           l->killed ? "killed" : "cut", (unsigned long long)l->at, what, found, wanted);
}

static void sums_hold(struct gateway *g, struct life *l)
{
	double events = gateway_metric(g, "events_total"), weight = gateway_metric(g, "weight_total");
	struct book *b = &l->book;
	uint32_t acked = book_counted(b, b->acked), sent = book_counted(b, b->sent);
	if (events < acked)
		life_failed(l, "acknowledged events were lost: counted", events, acked);
	if (events > sent)
		life_failed(l, "events were counted that nobody sent", events, sent);
	if (weight < (double)book_weight(b, b->acked) || weight > (double)book_weight(b, b->sent))
		life_failed(l, "the weight is not that of what was acknowledged", weight,
		            (double)book_weight(b, b->acked));
}

/* Sends everything in pieces of any size, and what was refused again. */
static void send_again(struct gateway *g, struct life *l)
{
	struct book *b = &l->book;
	uint64_t seed = l->seed;
	for (unsigned round = 0; round == 0 || !all_acked(b, 0, b->count); round++) {
		if (round > ROUNDS_MAX)
			life_failed(l, "acknowledged", book_counted(b, b->acked), b->count);
		for (uint32_t first = 0; first < b->count;) {
			uint32_t count = 1 + (uint32_t)(draw(&seed) % 64);
			if (count > b->count - first)
				count = b->count - first;
			if (round == 0 || !all_acked(b, first, count))
				book_send(b, g->engine, first, count, 256);
			first += count;
		}
		book_settle(b);
		wait_writable(g);
	}
}

/* The engine may refuse to start while its disk fails; then the disk is well again, and it starts. */
static void start(struct gateway *g, struct life *l, struct trouble *t)
{
	struct error err = {0};
	if (gateway_start(g, &err) == 0)
		return;
	bool excused = t->seed != 0 && atomic_load(&t->left) < LIFE_TROUBLES;
	gateway_stop(g);
	vdisk_ask(l->disk, NULL, NULL);
	if (!excused || gateway_start(g, &err) != 0)
		life_failed(l, err.text, 0, 1);
}

/* Opens the disk, holds the sums against the book, sends everything again and holds them again. */
static void live(struct life *l, struct gateway *g, bool troubled)
{
	struct book *b = &l->book;
	struct trouble trouble = {.seed = troubled ? l->seed : 0, .left = LIFE_TROUBLES};
	vdisk_install(l->disk);
	if (troubled)
		vdisk_ask(l->disk, make_trouble, &trouble);
	start(g, l, &trouble);
	sums_hold(g, l);
	double events = gateway_metric(g, "events_total");
	send_again(g, l);
	if (b->failed != 0 && !troubled)
		life_failed(l, "submissions were refused", (double)b->failed, 0);
	if (b->lost != 0)
		life_failed(l, "acknowledged events were taken as new", (double)b->lost, 0);
	if ((double)b->accepted != b->count - events)
		life_failed(l, "the rest was not taken as new", (double)b->accepted, b->count - events);
	if (gateway_metric(g, "events_total") != b->count)
		life_failed(l, "all events once", gateway_metric(g, "events_total"), b->count);
	if (gateway_metric(g, "weight_total") != (double)book_weight(b, b->sent))
		life_failed(l, "their weight once", gateway_metric(g, "weight_total"), (double)book_weight(b, b->sent));
	gateway_stop(g);
	vdisk_install(NULL);
	vdisk_ask(l->disk, NULL, NULL);
}

/* A change to stop after: one at which something was acknowledged, or any. */
static uint64_t pick(struct life *l, uint64_t from, uint64_t *seed)
{
	uint64_t to = vdisk_mark(l->disk);
	if (draw(seed) % 2 == 0) {
		uint64_t mark = l->book.acked[draw(seed) % l->book.count];
		if (mark != NEVER && mark >= from)
			return mark;
	}
	return from + draw(seed) % (to - from + 1);
}

static struct life next_life(struct life *l, uint64_t from, bool kill, uint64_t *seed)
{
	struct life next = {.seed = draw(seed), .at = pick(l, from, seed), .killed = kill, .before = l->disk};
	next.disk = kill ? vdisk_kill(l->disk, next.at) : vdisk_crash(l->disk, next.at, next.seed);
	book_turn_back(&next.book, &l->book, next.at, next.disk, kill);
	return next;
}

/* One way through up to three lives, the last of which begins with a power loss. */
static void go(struct life *load, uint64_t from, struct gateway *g, uint64_t seed, struct figures *f)
{
	struct life lives[LIVES_MAX];
	struct life *before = load;
	unsigned count = 1 + (unsigned)(draw(&seed) % LIVES_MAX);
	for (unsigned i = 0; i < count; i++) {
		bool kill = i + 1 < count && draw(&seed) % 2 == 0;
		bool troubled = draw(&seed) % 20 == 0;
		lives[i] = next_life(before, from, kill, &seed);
		f->acked += book_counted(&lives[i].book, lives[i].book.acked);
		f->states += !kill;
		f->later += !kill && i > 0;
		f->troubled += troubled;
		from = vdisk_mark(lives[i].disk);
		live(&lives[i], g, troubled);
		before = &lives[i];
	}
	for (unsigned i = 0; i < count; i++) {
		vdisk_free(lives[i].disk);
		book_deinit(&lives[i].book);
	}
}

/* A load under trouble, to its orderly end; what it was goes into the figures. `from`: the first change that is the engine's. */
static struct life load_disk(struct gateway *g, uint64_t seed, uint64_t *from, struct figures *f)
{
	struct trouble trouble = {.seed = seed, .left = LOAD_TROUBLES};
	struct life load = {.disk = vdisk_new(), .seed = seed};
	struct error err = {0};
	struct buf metrics = {0};
	char script[1024];
	int len = snprintf(script, sizeof script, COUNT_SCRIPT, "the first");
	vdisk_put(load.disk, "scripts/metrics/count.lua", script, (size_t)len);
	*from = vdisk_mark(load.disk);
	book_init(&load.book, &row, load.disk, EVENTS, 2000);
	vdisk_install(load.disk);
	if (gateway_start(g, &err) != 0)
		row_failed(&row, "it does not start: %s", err.text);
	vdisk_ask(load.disk, make_trouble, &trouble);
	run_load(g, &load.book, seed);
	vdisk_ask(load.disk, NULL, NULL);
	gateway_metrics(g, &metrics);
	f->checkpoints += gateway_metric_in(&metrics, "moongate_checkpoints_total");
	f->sealed += gateway_metric_in(&metrics, "moongate_journal_sealed_segments");
	f->reloads += gateway_metric_in(&metrics, "moongate_reloads_total");
	f->failures += gateway_metric_in(&metrics, "moongate_journal_commit_failures_total");
	buf_free(&metrics);
	gateway_stop(g);
	vdisk_install(NULL);
	f->changes += vdisk_mark(load.disk);
	return load;
}

int main(void)
{
	const char *given = getenv("TORTURE_SEED");
	uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 1;
	uint32_t loads = row_long() ? 20 : 1, states = row_long() ? 50 : 60; /* of each load */
	struct figures f = {0};
	struct gateway g;
	gateway_init(&g, &row);
	g.config.journal.checkpoint_ns = 5 * NS_PER_MS;
	for (uint32_t i = 0; i < loads; i++) {
		uint64_t from;
		struct life load = load_disk(&g, seed + i, &from, &f);
		for (uint32_t before = f.states; f.states - before < states;)
			go(&load, from, &g, seed++, &f);
		vdisk_free(load.disk);
		book_deinit(&load.book);
	}
	int code = row_held(
	    &row,
	    "%u states (%u after an earlier cut or kill, %u lives with a failing disk): all open, 0 of %llu "
	    "acknowledged lost, 0 "
	    "doubled; loads of %llu changes, %.0f checkpoints, %.0f sealed files, %.0f reloads, %.0f failed commits",
	    f.states, f.later, f.troubled, (unsigned long long)f.acked, (unsigned long long)f.changes, f.checkpoints,
	    f.sealed, f.reloads, f.failures);
	gateway_deinit(&g);
	return code;
}
