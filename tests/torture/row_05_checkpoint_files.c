/* Row 5: every file of the data directory is missing, empty, cut to a half, or has a stale temporary beside it. The engine opens each of them; nothing that
 * was acknowledged is lost, unless the file was the only one that had it; what is half written goes. Last, the newest checkpoint is damaged while
 * retention removes every frame that it may: the one before it and the frames behind give the same. */
#include "base/clock.h"
#include "base/file.h"
#include "support/gateway.h"

static const struct row row = {5, "empty, missing, stale and half files"};

enum { EVENTS = 1500, PAD = 2000, NAMES_MAX = 64, CONDITIONS = 4 };

static const char *const conditions[CONDITIONS] = {"missing", "empty", "half", "beside a stale temporary"};

struct names {
	char at[NAMES_MAX][256];
	unsigned count;
	const char *dir;
};

static int add_name(void *ctx, const char *name)
{
	struct names *n = ctx;
	if (n->count == NAMES_MAX)
		row_failed(&row, "more than %d files", NAMES_MAX);
	snprintf(n->at[n->count++], sizeof n->at[0], "%s/%s", n->dir, name);
	return 0;
}

/* The files of a directory of the disk in use; what is a directory is left out. */
static void list(struct vdisk *disk, const char *dir, struct names *n)
{
	struct error err = {0};
	n->dir = dir;
	if (file_list(dir, add_name, n, &err) != 0)
		row_failed(&row, "%s", err.text);
	unsigned kept = 0;
	for (unsigned i = 0; i < n->count; i++) {
		char *bytes = vdisk_get(disk, n->at[i], NULL);
		if (bytes != NULL && i != kept)
			strcpy(n->at[kept], n->at[i]);
		kept += bytes != NULL;
		free(bytes);
	}
	n->count = kept;
}

static void list_all(struct vdisk *disk, struct names *n)
{
	*n = (struct names){0};
	vdisk_install(disk);
	list(disk, "data", n);
	list(disk, "data/journal", n);
	vdisk_install(NULL);
}

static void harm(struct vdisk *disk, const char *path, unsigned condition)
{
	char temporary[300];
	size_t len;
	char *bytes = vdisk_get(disk, path, &len);
	if (bytes == NULL)
		row_failed(&row, "%s is not there", path);
	snprintf(temporary, sizeof temporary, "%s.tmp", path);
	int code = 0;
	if (condition == 0)
		code = vdisk_remove(disk, path);
	else if (condition < 3)
		code = vdisk_put(disk, path, bytes, condition == 1 ? 0 : len / 2);
	else
		code = vdisk_put(disk, temporary, bytes, len / 2);
	if (code != 0)
		row_failed(&row, "%s: %s", path, strerror(-code));
	free(bytes);
}

static void open_engine(struct gateway *g, struct vdisk *disk, const char *what, const char *condition)
{
	struct error err = {0};
	vdisk_install(disk);
	if (gateway_start(g, &err) != 0)
		row_failed(&row, "%s %s: it does not open: %s", what, condition, err.text);
}

static void sums_are(struct gateway *g, const char *what, const char *condition, double least, double most)
{
	double events = gateway_metric(g, "events_total");
	if (events < least || events > most)
		row_failed(&row, "%s %s: %.0f events, wanted %.0f to %.0f", what, condition, events, least, most);
}

static bool only_copy(const char *path)
{
	return strstr(path, ".sealed") != NULL || strstr(path, ".open") != NULL;
}

/* One file of a disk, in one condition. `covered`: a checkpoint holds everything that the journal does. */
static void check_file(struct gateway *g, const struct vdisk *from, const char *path, unsigned condition, bool covered)
{
	struct vdisk *disk = vdisk_kill(from, NEVER);
	struct names left;
	harm(disk, path, condition);
	open_engine(g, disk, path, conditions[condition]);
	bool lossy = only_copy(path) && condition < 3;
	sums_are(g, path, conditions[condition], lossy && !covered ? 0 : EVENTS, EVENTS);
	if (!lossy) { /* the ids are known, too */
		struct book b;
		book_init(&b, &row, disk, EVENTS, PAD);
		book_send_all(&b, g->engine, 0, EVENTS, 64, 256);
		book_settle(&b);
		if (b.accepted != 0 || b.duplicate != EVENTS)
			row_failed(&row, "%s %s: %llu events were taken as new", path, conditions[condition],
			           (unsigned long long)b.accepted);
		book_deinit(&b);
	}
	gateway_stop(g);
	list_all(disk, &left);
	for (unsigned i = 0; i < left.count; i++) {
		if (strstr(left.at[i], ".tmp") != NULL && strstr(left.at[i], "spare.tmp") == NULL &&
		    strcmp(left.at[i], "data/LOCK.tmp") != 0 && strstr(left.at[i], "stuck-script") == NULL)
			row_failed(&row, "%s %s: %s stays", path, conditions[condition], left.at[i]);
	}
	vdisk_free(disk);
}

static uint32_t check_files(struct gateway *g, struct vdisk *disk, bool covered)
{
	struct names n;
	uint32_t checked = 0;
	list_all(disk, &n);
	for (unsigned i = 0; i < n.count; i++) {
		for (unsigned condition = 0; condition < CONDITIONS; condition++, checked++)
			check_file(g, disk, n.at[i], condition, covered);
	}
	return checked;
}

/* The checkpoints of a disk, the newest last; how many there are. */
static unsigned find_checkpoints(struct vdisk *disk, struct names *n)
{
	list_all(disk, n);
	unsigned count = 0;
	for (unsigned i = 0; i < n->count; i++) {
		if (strncmp(n->at[i], "data/checkpoint-", 16) == 0 && strstr(n->at[i], ".tmp") == NULL && i != count)
			strcpy(n->at[count], n->at[i]);
		count += strncmp(n->at[i], "data/checkpoint-", 16) == 0 && strstr(n->at[i], ".tmp") == NULL;
	}
	return count;
}

/* Both checkpoints are damaged: the journal has it all. */
static void check_no_checkpoint(struct gateway *g, const struct vdisk *from)
{
	struct vdisk *disk = vdisk_kill(from, NEVER);
	struct names n;
	unsigned count = find_checkpoints(disk, &n);
	if (count != 2)
		row_failed(&row, "%u checkpoints, wanted 2", count);
	harm(disk, n.at[0], 2);
	harm(disk, n.at[1], 2);
	open_engine(g, disk, "both checkpoints", "half");
	sums_are(g, "both checkpoints", "half", EVENTS, EVENTS);
	gateway_stop(g);
	vdisk_install(NULL);
	vdisk_free(disk);
}

static struct vdisk *new_disk(const char *what)
{
	char script[1024];
	struct vdisk *disk = vdisk_new();
	int len = snprintf(script, sizeof script, COUNT_SCRIPT, what);
	vdisk_put(disk, "scripts/metrics/count.lua", script, (size_t)len);
	return disk;
}

/* Retention takes all it may, checkpoints come fast; then the newest is damaged at moments all over the load. */
static uint32_t check_retention(struct gateway *g, uint32_t states)
{
	struct book b;
	struct vdisk *disk = new_disk("of row 5, retention");
	uint32_t damaged = 0;
	uint64_t kept = g->config.journal.retention_bytes;
	g->config.journal.retention_bytes = 1;
	g->config.journal.checkpoint_ns = 2 * NS_PER_MS;
	book_init(&b, &row, disk, 4 * EVENTS, PAD);
	open_engine(g, disk, "a new disk", "with retention");
	for (uint32_t i = 0; i < b.count; i += 10) {
		book_send(&b, g->engine, i, 10, 2);
		while (i % 100 == 0 && gateway_metric(g, "moongate_journal_segments") > 3)
			sched_yield();
	}
	book_settle(&b);
	/* Sealing takes its time beside a load, and more of it under a sanitizer. */
	int64_t until = clock_mono_ns() + 30 * NS_PER_S;
	double removed;
	while ((removed = gateway_metric(g, "moongate_journal_removed_segments_total")) < 3) {
		if (clock_mono_ns() > until)
			row_failed(&row, "retention removed %.0f files, wanted some", removed);
		sched_yield();
	}
	gateway_stop(g);
	vdisk_install(NULL);
	for (uint32_t i = 0; i < states; i++) {
		uint64_t at = vdisk_mark(disk) * (i + 1) / states;
		struct vdisk *killed = vdisk_kill(disk, at);
		struct book then;
		struct names n;
		book_turn_back(&then, &b, at, killed, true);
		unsigned count = at > 20 ? find_checkpoints(killed, &n) : 0;
		if (count > 0) {
			harm(killed, n.at[count - 1], i % 3);
			damaged++;
			open_engine(g, killed, n.at[count - 1], conditions[i % 3]);
			sums_are(g, n.at[count - 1], conditions[i % 3], book_counted(&then, then.acked),
			         book_counted(&then, then.sent));
			gateway_stop(g);
			vdisk_install(NULL);
		}
		book_deinit(&then);
		vdisk_free(killed);
	}
	g->config.journal.retention_bytes = kept;
	vdisk_free(disk);
	book_deinit(&b);
	return damaged;
}

/* The load: sealed segments, an open one, two checkpoints; killed before the end, and ended in order. */
static void make_disks(struct gateway *g, struct vdisk **killed, struct vdisk **ended)
{
	struct book b;
	struct vdisk *disk = new_disk("of row 5");
	g->config.journal.checkpoint_ns = 3600 * NS_PER_S;
	book_init(&b, &row, disk, EVENTS, PAD);
	open_engine(g, disk, "a new disk", "at first");
	book_send_all(&b, g->engine, 0, EVENTS, 10, 4);
	book_settle(&b);
	while (gateway_metric(g, "moongate_journal_segments") > 1 ||
	       gateway_metric(g, "moongate_checkpoints_total") < 1)
		sched_yield();
	*killed = vdisk_kill(disk, vdisk_mark(disk));
	vdisk_put(*killed, "data/stuck-script", "0 scripts/metrics/none.lua\n", 27);
	vdisk_put(*killed, "data/journal/damaged/old-4096.bin", "x", 1);
	gateway_stop(g);
	vdisk_install(NULL);
	*ended = disk;
	book_deinit(&b);
}

int main(void)
{
	struct gateway g;
	struct vdisk *killed, *ended;
	gateway_init(&g, &row);
	make_disks(&g, &killed, &ended);
	uint32_t files = check_files(&g, killed, false) + check_files(&g, ended, true);
	check_no_checkpoint(&g, ended);
	uint32_t damaged = check_retention(&g, row_long() ? 500 : 25);
	int code = row_held(&row,
	                    "%u files in %d conditions each, %u newest checkpoints damaged under retention: all open, "
	                    "0 acknowledged lost",
	                    files / CONDITIONS, CONDITIONS, damaged);
	vdisk_free(killed);
	vdisk_free(ended);
	gateway_deinit(&g);
	return code;
}
