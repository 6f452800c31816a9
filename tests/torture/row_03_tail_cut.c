/* Row 3: the newest segment is cut at every byte of its last 64 KB. The engine opens each, and has every event of every frame that is whole, and no other.
 * Where a checkpoint knows of what was cut off, everything stays, and what is sent afterwards stays too. */
#include "support/gateway.h"

static const struct row row = {3, "journal tail cut at every byte"};

enum { TAIL = 64 << 10, HEADER = 4096, FRAME_HEADER = 40, EVENTS = 120, FRAMES_MAX = 256 };

#define SEGMENT "data/journal/segment-00000000000000000001.open"

struct frame_at {
	uint64_t end; /* of its payload */
	uint32_t events;
};

static uint32_t get_u32(const char *at)
{
	uint32_t v;
	memcpy(&v, at, sizeof v);
	return v;
}

/* Where the frames end, by FORMAT.md; how many there are. */
static unsigned find_frames(const char *bytes, size_t len, struct frame_at *frames)
{
	unsigned n = 0;
	for (uint64_t at = HEADER; at + FRAME_HEADER <= len && memcmp(bytes + at, "MGFR", 4) == 0 && n < FRAMES_MAX;) {
		uint64_t end = at + FRAME_HEADER + get_u32(bytes + at + 4);
		frames[n++] = (struct frame_at){end, bytes[at + 12] == 1 ? get_u32(bytes + at + 8) : 0};
		at = (end + 7) / 8 * 8;
	}
	return n;
}

/* The disk as a kill leaves it after all events were acknowledged, each in a frame of its own. */
static struct vdisk *make_disk(struct gateway *g, struct book *b)
{
	char script[1024];
	struct error err = {0};
	struct vdisk *disk = vdisk_new();
	int len = snprintf(script, sizeof script, COUNT_SCRIPT, "of row 3");
	vdisk_put(disk, "scripts/metrics/count.lua", script, (size_t)len);
	book_init(b, &row, disk, EVENTS + 1, 600);
	vdisk_install(disk);
	if (gateway_start(g, &err) != 0)
		row_failed(&row, "it does not start: %s", err.text);
	book_send_all(b, g->engine, 0, EVENTS, 1, 1);
	book_settle(b);
	return disk;
}

static double open_and_count(struct gateway *g, struct vdisk *disk, uint64_t cut)
{
	struct error err = {0};
	vdisk_install(disk);
	if (gateway_start(g, &err) != 0)
		row_failed(&row, "cut at byte %llu: it does not open: %s", (unsigned long long)cut, err.text);
	return gateway_metric(g, "events_total");
}

static void close_disk(struct gateway *g, struct vdisk *disk)
{
	gateway_stop(g);
	vdisk_install(NULL);
	vdisk_free(disk);
}

static struct vdisk *cut_disk(const struct vdisk *from, const char *bytes, uint64_t cut)
{
	struct vdisk *disk = vdisk_kill(from, NEVER);
	vdisk_put(disk, SEGMENT, bytes, cut);
	return disk;
}

/* A checkpoint covers what is cut off: nothing is lost, and one event more stays over a restart. */
static void check_covered(struct gateway *g, const struct book *from, const struct vdisk *covered, const char *bytes,
                          uint64_t cut)
{
	struct book b;
	struct vdisk *disk = cut_disk(covered, bytes, cut);
	double events = open_and_count(g, disk, cut);
	if (events != EVENTS)
		row_failed(&row, "cut at byte %llu behind a checkpoint: %.0f events, wanted %d",
		           (unsigned long long)cut, events, EVENTS);
	book_init(&b, &row, disk, from->count, from->pad);
	book_send(&b, g->engine, EVENTS, 1, 1);
	book_settle(&b);
	struct vdisk *killed = vdisk_kill(disk, b.acked[EVENTS]);
	close_disk(g, disk);
	events = open_and_count(g, killed, cut);
	if (events != EVENTS + 1)
		row_failed(&row, "cut at byte %llu behind a checkpoint: then %.0f events, wanted %d",
		           (unsigned long long)cut, events, EVENTS + 1);
	close_disk(g, killed);
	book_deinit(&b);
}

int main(void)
{
	struct gateway g;
	struct book b;
	struct frame_at frames[FRAMES_MAX];
	size_t len;
	uint32_t step = row_long() ? 1 : 97, cuts = 0, covered_cuts = 0;
	gateway_init(&g, &row);
	struct vdisk *disk = make_disk(&g, &b);
	struct vdisk *killed = vdisk_kill(disk, b.acked[EVENTS - 1]);
	gateway_stop(&g);
	vdisk_install(NULL);
	/* The orderly end has written a checkpoint; the segment is taken from before it, since it may be sealed by now. */
	char *bytes = vdisk_get(killed, SEGMENT, &len);
	if (bytes == NULL)
		row_failed(&row, SEGMENT " is not there");
	unsigned count = find_frames(bytes, len, frames);
	uint64_t end = count > 0 ? frames[count - 1].end : 0;
	if (end < HEADER + TAIL)
		row_failed(&row, "the journal is too short for the row: %llu bytes", (unsigned long long)end);
	for (uint64_t cut = end - TAIL; cut <= end; cut += step) {
		double whole = 0;
		for (unsigned i = 0; i < count && frames[i].end <= cut; i++)
			whole += frames[i].events;
		struct vdisk *one = cut_disk(killed, bytes, cut);
		double events = open_and_count(&g, one, cut);
		if (events != whole)
			row_failed(&row, "cut at byte %llu: %.0f events, wanted the %.0f of whole frames",
			           (unsigned long long)cut, events, whole);
		close_disk(&g, one);
		if (cuts++ % 16 == 0) {
			check_covered(&g, &b, disk, bytes, cut);
			covered_cuts++;
		}
	}
	int code =
	    row_held(&row, "%u cuts in %u frames, %u of them behind a checkpoint: all open, every whole frame kept",
	             cuts + covered_cuts, count, covered_cuts);
	free(bytes);
	vdisk_free(killed);
	vdisk_free(disk);
	book_deinit(&b);
	gateway_deinit(&g);
	return code;
}
