/* Row 4: every byte of the first 64 KB of a closed segment is flipped, and every byte of a sealed file. The engine opens each; only the events of the frame
 * that holds the byte are lost; that is named in the log and counted; the segment behind is kept; and checkpoints go on. */
#include <sys/mman.h>
#include <unistd.h>

#include "support/gateway.h"

static const struct row row = {4, "every byte of 64 KB flipped"};

enum { REGION = 64 << 10, SEGMENT_HEADER = 4096, SEALED_HEADER = 64, FRAME_HEADER = 40, FRAMES_MAX = 512 };
enum {
	FIRST = 95,
	SECOND = 20,
	EVENTS = FIRST + SECOND
}; /* events in the segment that is damaged, and in the one behind it */

#define SEGMENT "data/journal/segment-00000000000000000001.open"

struct frame_at {
	uint64_t start, end; /* with its payload, without padding */
	uint32_t events;
};

struct target {
	const char *path, *what;
	struct vdisk *disk;
	char *bytes;
	size_t len;
	uint64_t region;       /* bytes of it that are flipped */
	uint64_t header, used; /* bytes of the header, and those of them that say something */
	struct frame_at frames[FRAMES_MAX];
	unsigned count;
};

static int log_fd; /* the log goes to memory */

static uint32_t get_u32(const char *at)
{
	uint32_t v;
	memcpy(&v, at, sizeof v);
	return v;
}

static void find_frames(struct target *t)
{
	t->bytes = vdisk_get(t->disk, t->path, &t->len);
	if (t->bytes == NULL)
		row_failed(&row, "%s is not there", t->path);
	for (uint64_t at = t->header;
	     at + FRAME_HEADER <= t->len && memcmp(t->bytes + at, "MGFR", 4) == 0 && t->count < FRAMES_MAX;) {
		uint64_t end = at + FRAME_HEADER + get_u32(t->bytes + at + 4);
		t->frames[t->count++] =
		    (struct frame_at){at, end, t->bytes[at + 12] == 1 ? get_u32(t->bytes + at + 8) : 0};
		at = (end + 7) / 8 * 8;
	}
	t->region = t->len < REGION ? t->len : REGION;
}

static void open_engine(struct gateway *g, struct vdisk *disk)
{
	struct error err = {0};
	vdisk_install(disk);
	if (gateway_start(g, &err) != 0)
		row_failed(&row, "it does not open: %s", err.text);
}

static void stop_engine(struct gateway *g)
{
	gateway_stop(g);
	vdisk_install(NULL);
}

/* While it is on, segments are not sealed. */
static int hold_sealing(void *ctx, enum vdisk_op op, const char *path, size_t *len)
{
	(void)ctx, (void)len;
	return op == VDISK_OPEN && strstr(path, "/events-") != NULL ? EIO : 0;
}

/* Two disks with a checkpoint of the scripts alone (without, the frame that holds them would be the only one to know them), as kills leave them: on one the first segment is closed and another one behind it, on the other it is sealed. */
static void make_disks(struct gateway *g, struct vdisk **closed, struct vdisk **sealed)
{
	char script[1024];
	struct book b;
	struct vdisk *first = vdisk_new();
	int len = snprintf(script, sizeof script, COUNT_SCRIPT, "of row 4");
	vdisk_put(first, "scripts/metrics/count.lua", script, (size_t)len);
	book_init(&b, &row, first, EVENTS, 500);
	open_engine(g, first);
	while (gateway_metric(g, "moongate_checkpoints_total") < 1)
		usleep(1000);
	book_send_all(&b, g->engine, 0, FIRST, 1, 1);
	book_settle(&b);
	struct vdisk *second = vdisk_kill(first, vdisk_mark(first));
	stop_engine(g);
	vdisk_ask(second, hold_sealing, NULL);
	b.disk = second;
	open_engine(g, second);
	book_send_all(&b, g->engine, FIRST, SECOND, 1, 1);
	book_settle(&b);
	*closed = vdisk_kill(second, vdisk_mark(second));
	stop_engine(g);
	*sealed = vdisk_kill(*closed, NEVER);
	open_engine(g, *sealed);
	while (gateway_metric(g, "moongate_journal_segments") > 1)
		usleep(1000);
	struct vdisk *killed = vdisk_kill(*sealed, vdisk_mark(*sealed));
	stop_engine(g);
	vdisk_free(*sealed);
	*sealed = killed;
	vdisk_free(second);
	vdisk_free(first);
	book_deinit(&b);
}

/* Has the log named the file in a line about damage since it was last asked? */
static bool log_names(const char *path)
{
	char text[65536];
	ssize_t len = pread(log_fd, text, sizeof text - 1, 0);
	if (len < 0 || ftruncate(log_fd, 0) != 0)
		row_failed(&row, "the log cannot be read: %s", strerror(errno));
	text[len] = '\0';
	return strstr(text, "damage") != NULL && strstr(text, path) != NULL;
}

/* What flipping byte `at` costs. */
static uint32_t lost_by(const struct target *t, uint64_t at)
{
	for (unsigned i = 0; i < t->count; i++) {
		if (at >= t->frames[i].start && at < t->frames[i].end)
			return t->frames[i].events;
	}
	return 0;
}

/* Is byte `at` one that says something? */
static bool matters(const struct target *t, uint64_t at)
{
	for (unsigned i = 0; i < t->count; i++) {
		if (at >= t->frames[i].start && at < t->frames[i].end)
			return true;
	}
	return at < t->used;
}

__attribute__((noreturn)) static void flip_failed(const struct target *t, uint64_t at, const char *what, double found,
                                                  double wanted)
{
	row_failed(&row, "byte %llu of %s flipped: %s: %.0f, wanted %.0f", (unsigned long long)at, t->what, what, found,
	           wanted);
}

/* A checkpoint is written at the end, and the next start takes it: it is there, and shows the same. */
static void check_goes_on(struct gateway *g, struct vdisk *disk, const struct target *t, uint64_t at, double events)
{
	stop_engine(g);
	open_engine(g, disk);
	double again = gateway_metric(g, "events_total");
	double replayed = gateway_metric(g, "moongate_checkpoint_lag_frames");
	if (again != events)
		flip_failed(t, at, "after another start it shows", again, events);
	if (replayed != 0)
		flip_failed(t, at, "frames since the checkpoint", replayed, 0);
}

static void flip(struct gateway *g, const struct target *t, uint64_t at)
{
	struct vdisk *disk = vdisk_kill(t->disk, NEVER);
	t->bytes[at] = (char)(t->bytes[at] ^ (1 << at % 8));
	vdisk_put(disk, t->path, t->bytes, t->len);
	t->bytes[at] = (char)(t->bytes[at] ^ (1 << at % 8));
	open_engine(g, disk);
	double events = gateway_metric(g, "events_total");
	double damaged = gateway_metric(g, "moongate_journal_damaged_frames_total");
	uint32_t wanted = EVENTS - lost_by(t, at);
	if (events != wanted)
		flip_failed(t, at, "events", events, wanted);
	if (damaged != matters(t, at))
		flip_failed(t, at, "counted as damaged", damaged, matters(t, at));
	bool named = log_names(t->path);
	if (named != matters(t, at))
		flip_failed(t, at, "named in the log", named, matters(t, at));
	if (at % 16 == 0)
		check_goes_on(g, disk, t, at, events);
	stop_engine(g);
	vdisk_free(disk);
	(void)log_names(""); /* what was said since is not the next one's */
}

/* Flips every `step`th byte, and every one of the header; the bytes that were flipped. */
static uint32_t flip_all(struct gateway *g, struct target *t, uint32_t step)
{
	uint32_t flips = 0;
	find_frames(t);
	for (uint64_t at = 0; at < t->region; at += at < SEALED_HEADER ? 1 : step, flips++)
		flip(g, t, at);
	return flips;
}

int main(void)
{
	struct gateway g;
	struct error err = {0};
	struct target closed = {.path = SEGMENT, .what = "a closed segment", .header = SEGMENT_HEADER, .used = 48};
	struct target sealed = {.what = "a sealed file", .header = SEALED_HEADER, .used = 64};
	uint32_t step = row_long() ? 1 : 149;
	char path[128];
	gateway_init(&g, &row);
	make_disks(&g, &closed.disk, &sealed.disk);
	log_fd = memfd_create("log", 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", log_fd);
	if (log_fd < 0 || log_start(&(struct log_options){.level = LOG_ERROR, .errors_file = path}, &err) != 0)
		row_failed(&row, "no log: %s", err.text);
	snprintf(path, sizeof path, "data/journal/events-%020d-%020d.sealed", 2, FIRST + 1);
	sealed.path = path;
	uint32_t flips = flip_all(&g, &closed, step);
	uint32_t sealed_flips = flip_all(&g, &sealed, step);
	int code = row_held(&row,
	                    "%u bytes of a segment of %u frames, %u of a sealed file of %u: all open, only that frame "
	                    "lost, named and counted",
	                    flips, closed.count, sealed_flips, sealed.count);
	free(closed.bytes);
	free(sealed.bytes);
	vdisk_free(closed.disk);
	vdisk_free(sealed.disk);
	gateway_deinit(&g);
	return code;
}
