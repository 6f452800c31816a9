/* The journal as a whole: what was acknowledged is read back, whatever happens to the files. */
#include "harness.h"

static void what_was_written_is_read_back(void **state)
{
	(void)state;
	struct harness h;
	harness_init(&h);
	harness_start(&h);
	for (int64_t n = 0; n < 100; n += 10)
		assert_int_equal(harness_write(&h, n, 10, 5), 0);
	harness_reopen(&h);
	assert_int_equal(h.found.frames, 10);
	assert_int_equal(h.found.last_seq, 10);
	assert_int_equal(h.found.torn_bytes, 0);
	assert_int_equal(h.found.bad_frames, 0);
	struct harness_read r = harness_replay(&h, 0);
	assert_int_equal(r.records, 100);
	assert_true(r.in_order && r.whole);
	assert_int_equal(harness_replay(&h, 7).first, 70);
	assert_int_equal(journal_count_since(h.journal, FRAME_EVENTS, 0), 100);
	harness_deinit(&h);
}

static void many_starts_keep_everything(void **state)
{
	(void)state;
	struct harness h;
	harness_init(&h);
	for (int64_t n = 0; n < 20; n++) {
		harness_start(&h);
		assert_int_equal(h.found.last_seq, n);
		assert_int_equal(harness_write(&h, n, 1, 0), 0);
		harness_close(&h);
	}
	harness_open(&h);
	struct harness_read r = harness_replay(&h, 0);
	assert_int_equal(r.records, 20);
	assert_true(r.in_order && r.whole);
	harness_deinit(&h);
}

/* Records from..to, a hundred a group: 100 KB each, a segment takes ten. */
static void write_hundreds(struct harness *h, int64_t from, int64_t to)
{
	for (int64_t n = from; n < to; n += 100)
		assert_int_equal(harness_write(h, n, 100, 1000), 0);
}

/* Waits until maintenance has sealed so many files. */
static void wait_sealed(struct harness *h, uint64_t wanted)
{
	struct journal_stats s;
	for (int i = 0; i < 3000; i++) {
		journal_stats(h->journal, &s);
		if (s.sealed_total >= wanted)
			return;
		usleep(10000);
	}
	fail_msg("only %llu segments were sealed", (unsigned long long)s.sealed_total);
}

/* Waits until so many files have been removed, half a minute at most. */
static struct journal_stats wait_removed(struct harness *h, uint64_t wanted)
{
	struct journal_stats s = {0};
	for (int i = 0; i < 3000 && s.removed_total < wanted; i++) {
		usleep(10000);
		journal_stats(h->journal, &s);
	}
	return s;
}

static void segments_are_sealed_and_recycled(void **state)
{
	(void)state;
	struct harness h;
	harness_init(&h);
	harness_start(&h);
	write_hundreds(&h, 0, 6000);
	wait_sealed(&h, 4);
	struct harness_read r;
	harness_close(&h);
	harness_start(&h);
	harness_reopen(&h);
	r = harness_replay(&h, 0);
	assert_int_equal(r.records, 6000);
	assert_true(r.in_order && r.whole);
	assert_int_equal(h.found.bad_frames, 0);
	assert_int_equal(journal_count_since(h.journal, FRAME_EVENTS, 0), 6000);
	harness_deinit(&h);
}

static bool has_spare(const struct harness *h)
{
	char path[sizeof h->dir + 16];
	snprintf(path, sizeof path, "%s/spare.tmp", h->dir);
	return access(path, F_OK) == 0;
}

/* A gateway where little happens has one file, and not a second one full of zeros. */
static void a_spare_is_made_when_the_segment_is_half_full(void **state)
{
	(void)state;
	struct harness h;
	harness_init(&h);
	harness_start(&h);
	for (int64_t n = 0; n < 400; n += 100)
		assert_int_equal(harness_write(&h, n, 100, 1000), 0); /* 100 KB each, of a segment of 1 MiB */
	harness_close(&h);                                            /* whatever maintenance was about to do */
	assert_false(has_spare(&h));
	harness_start(&h);
	for (int64_t n = 400; n < 1000; n += 100)
		assert_int_equal(harness_write(&h, n, 100, 1000), 0);
	for (int i = 0; i < 3000 && !has_spare(&h); i++)
		usleep(10000);
	assert_true(has_spare(&h));
	harness_deinit(&h);
}

static void retention_removes_the_oldest_but_nothing_above_the_floor(void **state)
{
	(void)state;
	struct harness h;
	struct journal_stats s = {0};
	harness_init(&h);
	h.options.retention_bytes = 1000; /* everything is too much */
	harness_start(&h);
	write_hundreds(&h, 0, 6000);
	wait_sealed(&h, 4);
	journal_stats(h.journal, &s);
	assert_int_equal(s.removed_total, 0);
	journal_set_floor(h.journal, 40);
	write_hundreds(&h, 6000, 9000);
	assert_true(wait_removed(&h, 1).removed_total > 0);
	harness_reopen(&h);
	struct harness_read r = harness_replay(&h, 40);
	assert_int_equal(r.first, 4000);
	assert_int_equal(r.records, 5000);
	harness_deinit(&h);
}

/* What a checkpoint covers goes with it, not when the journal looks around by itself, ten seconds later. */
static void a_floor_that_rises_is_looked_at(void **state)
{
	(void)state;
	struct harness h;
	struct journal_stats s = {0};
	harness_init(&h);
	h.options.retention_bytes = 1000; /* everything is too much */
	harness_start(&h);
	write_hundreds(&h, 0, 3000);
	wait_sealed(&h, 2);
	int64_t began = clock_mono_ns();
	for (uint64_t floor = 10; floor <= 20; floor += 10) {
		usleep(300000); /* maintenance has nothing to do */
		journal_set_floor(h.journal, floor);
		s = wait_removed(&h, floor / 10);
		assert_int_equal(s.removed_total, floor / 10);
	}
	assert_true(clock_mono_ns() - began < 10 * NS_PER_S);
	harness_deinit(&h);
}

/* A gateway with little to do would fill its segment in months, and keep for as long what is to go after days. */
static void retention_by_age_reaches_the_segment_that_is_written(void **state)
{
	(void)state;
	struct harness h;
	harness_init(&h);
	h.options.retention_ns[FRAME_EVENTS] = NS_PER_S; /* the frames are of 2023 */
	harness_start(&h);
	for (int64_t n = 0; n < 3; n++)
		assert_int_equal(harness_write(&h, n, 1, 10), 0);
	journal_set_floor(h.journal, 3);
	assert_int_equal(wait_removed(&h, 1).removed_total, 1);
	assert_int_equal(harness_write(&h, 3, 1, 10), 0);
	harness_reopen(&h);
	assert_int_equal(h.found.last_seq, 4);
	assert_int_equal(harness_replay(&h, 3).records, 1);
	harness_deinit(&h);
}

/* Directories stand where sealed files would be written first. */
static void forbid_sealing(const struct harness *h, bool forbid)
{
	char path[512];
	for (int seq = 1; seq <= 200; seq++) {
		snprintf(path, sizeof path, "%s/events-%020d.tmp", h->dir, seq);
		if (forbid)
			assert_int_equal(mkdir(path, 0700), 0);
		else
			rmdir(path);
	}
}

/* Sealing takes room. Where there is none, what cannot be sealed must not fill the disk for good. */
static void retention_goes_on_while_nothing_can_be_sealed(void **state)
{
	(void)state;
	struct harness h;
	harness_init(&h);
	h.options.retention_bytes = 2 << 20;
	harness_start(&h);
	forbid_sealing(&h, true);
	write_hundreds(&h, 0, 6000);
	journal_set_floor(h.journal, 25); /* two segments and a half */
	struct journal_stats s = wait_removed(&h, 2);
	assert_int_equal(s.removed_total, 2);
	journal_set_floor(h.journal, 60);
	s = wait_removed(&h, 3);
	for (int i = 0; i < 3000 && s.segments > 3; i++) {
		usleep(10000);
		journal_stats(h.journal, &s);
	}
	assert_true(s.removed_total >= 3);
	assert_true(s.segments <= 3); /* two closed ones, and the one that is being written */
	harness_close(&h);
	forbid_sealing(&h, false);
	harness_open(&h);
	struct harness_read r = harness_replay(&h, 0);
	assert_true(r.in_order && r.whole && r.last == 5999);
	harness_deinit(&h);
}

/* The number of a frame says whether a checkpoint holds it: none may be given twice, whatever has gone from the disk. */
static void numbers_go_on_when_retention_took_everything(void **state)
{
	(void)state;
	struct harness h;
	harness_init(&h);
	h.options.retention_ns[FRAME_EVENTS] = NS_PER_S; /* the frames are of 2023 */
	harness_start(&h);
	for (int64_t n = 0; n < 3; n++)
		assert_int_equal(harness_write(&h, n, 1, 10), 0);
	harness_reopen(&h);
	journal_set_floor(h.journal, 3);
	assert_int_equal(journal_start(h.journal, NULL), 0);
	assert_int_equal(wait_removed(&h, 1).removed_total, 1);
	harness_close(&h);
	harness_start(&h);
	assert_int_equal(harness_write(&h, 3, 1, 10), 0);
	harness_reopen(&h);
	assert_int_equal(harness_replay(&h, 3).records, 1);
	harness_deinit(&h);
}

static void numbers_go_on_behind_what_a_checkpoint_holds(void **state)
{
	(void)state;
	struct harness h;
	harness_init(&h);
	harness_open(&h);
	journal_skip_to(h.journal, 100);
	assert_int_equal(journal_start(h.journal, NULL), 0);
	assert_int_equal(harness_write(&h, 0, 1, 10), 0);
	harness_reopen(&h);
	assert_int_equal(h.found.last_seq, 101);
	assert_int_equal(harness_replay(&h, 100).records, 1);
	harness_deinit(&h);
}

/* ---- damage ---- */

static size_t read_file(const char *path, char **bytes)
{
	struct buf b = {0};
	struct error err = {0};
	assert_int_equal(file_read_all(path, 1 << 24, &b, &err), 0);
	*bytes = b.ptr;
	return b.len;
}

static void write_file(const char *path, const char *bytes, size_t len)
{
	FILE *f = fopen(path, "wb"); /* nothing that syncs: there are thousands of these */
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

/* Five frames of two records; returns the file's bytes and where the frames end. */
static size_t five_frames(struct harness *h, char path[512], char **bytes, size_t *end)
{
	harness_init(h);
	harness_start(h);
	for (int64_t n = 0; n < 10; n += 2)
		assert_int_equal(harness_write(h, n, 2, 3), 0);
	harness_close(h);
	harness_segment(h, path);
	size_t len = read_file(path, bytes);
	*end = len;
	while ((*bytes)[*end - 1] == 0)
		--*end;
	return len;
}

static void remove_damaged(const struct harness *h)
{
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s/damaged", h->dir);
	assert_int_equal(system(command), 0);
}

static void a_tail_cut_at_any_byte_keeps_every_complete_frame(void **state)
{
	(void)state;
	struct harness h;
	char path[512], *bytes;
	size_t end;
	five_frames(&h, path, &bytes, &end);
	size_t last_records = 0;
	for (size_t cut = 0; cut <= end + 8; cut++) {
		write_file(path, bytes, cut);
		harness_open(&h);
		struct harness_read r = harness_replay(&h, 0);
		assert_int_equal(h.found.bad_frames, 0);
		assert_true(r.in_order && r.whole);
		assert_true(r.records >= last_records && r.records % 2 == 0);
		last_records = r.records;
		harness_close(&h);
		if (cut < 4000)
			cut += 250; /* the header's unused part */
	}
	assert_int_equal(last_records, 10);
	free(bytes);
	harness_deinit(&h);
}

static void a_flipped_byte_costs_its_frame_alone(void **state)
{
	(void)state;
	struct harness h;
	char path[512], *bytes;
	size_t end;
	size_t len = five_frames(&h, path, &bytes, &end);
	uint64_t damaged = 0, torn = 0;
	for (size_t at = 4096; at < end; at++) {
		bytes[at] = (char)(bytes[at] ^ 0x41);
		write_file(path, bytes, len < end + 64 ? len : end + 64);
		bytes[at] = (char)(bytes[at] ^ 0x41);
		harness_open(&h);
		struct harness_read r = harness_replay(&h, 0);
		assert_true(r.in_order && r.whole);
		assert_true(r.records == 8 || r.records == 10); /* 10: a byte of the padding */
		if (r.records == 8)
			assert_true(h.found.bad_frames == 1 || h.found.torn_bytes > 0);
		damaged += h.found.bad_frames;
		torn += h.found.torn_bytes > 0;
		harness_close(&h);
		remove_damaged(&h);
	}
	assert_true(damaged > torn && torn > 0);
	free(bytes);
	harness_deinit(&h);
}

static void a_flipped_byte_of_a_segments_header_costs_no_frame(void **state)
{
	(void)state;
	struct harness h;
	struct journal_stats s;
	char path[512], *bytes;
	size_t end;
	five_frames(&h, path, &bytes, &end);
	for (size_t at = 0; at < 64; at++) {
		bytes[at] = (char)(bytes[at] ^ 0x41);
		write_file(path, bytes, end + 64);
		bytes[at] = (char)(bytes[at] ^ 0x41);
		harness_open(&h);
		journal_stats(h.journal, &s);
		assert_int_equal(s.damaged_frames, at < 48); /* the rest of the header is not used */
		assert_int_equal(harness_replay(&h, 0).records, 10);
		harness_close(&h);
		remove_damaged(&h);
	}
	free(bytes);
	harness_deinit(&h);
}

/* The path of the first sealed file of events. */
static void first_sealed(const struct harness *h, char path[512])
{
	char name[256] = "";
	DIR *d = opendir(h->dir);
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		if (strncmp(e->d_name, "events-", 7) == 0 && (name[0] == '\0' || strcmp(e->d_name, name) < 0))
			snprintf(name, sizeof name, "%s", e->d_name);
	}
	closedir(d);
	assert_true(name[0] != '\0');
	snprintf(path, 512, "%s/%s", h->dir, name);
}

/* Byte `at` of the sealed file is flipped: opens, reads twice as recovery does, expects so many records and the damage counted once. */
static void flip_sealed(struct harness *h, const char *path, char *bytes, size_t len, size_t at, uint32_t records)
{
	struct journal_stats s;
	bytes[at] = (char)(bytes[at] ^ 0x41);
	write_file(path, bytes, len);
	bytes[at] = (char)(bytes[at] ^ 0x41);
	harness_open(h);
	assert_int_equal(harness_replay(h, 0).records, records);
	assert_int_equal(harness_replay(h, 0).records, records);
	journal_stats(h->journal, &s);
	assert_int_equal(s.damaged_frames, 1);
	harness_close(h);
	remove_damaged(h);
}

static void a_flipped_byte_of_a_sealed_file_costs_its_frame_alone(void **state)
{
	(void)state;
	struct harness h;
	char path[512], *bytes;
	harness_init(&h);
	harness_start(&h);
	write_hundreds(&h, 0, 1500);
	wait_sealed(&h, 1);
	harness_close(&h);
	first_sealed(&h, path);
	size_t len = read_file(path, &bytes);
	for (size_t at = 0; at < 64; at++)
		flip_sealed(&h, path, bytes, len, at, 1500);
	for (size_t at = 64; at < 64 + 40; at++)
		flip_sealed(&h, path, bytes, len, at, 1400);
	flip_sealed(&h, path, bytes, len, len / 2, 1400);
	free(bytes);
	harness_deinit(&h);
}

static void stray_and_empty_files_do_not_keep_it_from_opening(void **state)
{
	(void)state;
	struct harness h;
	char path[512];
	static const char *const names[] = {"x.tmp", "spare.tmp", "segment-00000000000000000009.open",
	                                    "events-1-2.sealed", "note.txt"};
	harness_init(&h);
	harness_start(&h);
	assert_int_equal(harness_write(&h, 0, 3, 3), 0);
	harness_close(&h);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", h.dir, names[i]);
		write_file(path, "garbage", i % 2 ? 7 : 0);
	}
	harness_start(&h);
	assert_int_equal(harness_write(&h, 3, 3, 3), 0);
	harness_reopen(&h);
	assert_int_equal(harness_replay(&h, 0).records, 6);
	harness_deinit(&h);
}

/* ---- failing disks ---- */

/* With the nth hit of a point failing, once or for ever: nothing that was acknowledged is lost, nothing that was refused comes back. */
static void fail_nth(enum fault_point point, uint64_t nth, bool always, int error)
{
	struct harness h;
	struct error err = {0};
	int64_t told = 0;
	harness_init(&h);
	harness_start(&h);
	fault_set(point, nth, always, error);
	for (int64_t n = 0; n < 12; n++) {
		int code = harness_write(&h, told, 1, 200000);
		if (code == 0)
			told++;
		else if (journal_resume(h.journal, &err) != 0)
			fault_clear(); /* the disk is repaired */
		if (n == 8)
			fault_clear();
	}
	fault_clear();
	assert_int_equal(journal_resume(h.journal, &err), 0);
	assert_int_equal(harness_write(&h, told, 1, 10), 0);
	told++;
	harness_reopen(&h);
	struct harness_read r = harness_replay(&h, 0);
	assert_true(r.in_order && r.whole);
	assert_int_equal(r.records, told);
	assert_int_equal(h.found.bad_frames, 0);
	harness_deinit(&h);
}

static void every_failure_of_the_disk_is_survived(void **state)
{
	(void)state;
	static const enum fault_point points[] = {FAULT_WRITE, FAULT_FSYNC, FAULT_RENAME, FAULT_ALLOCATE, FAULT_OPEN};
	for (size_t p = 0; p < sizeof points / sizeof *points; p++) {
		for (uint64_t nth = 1; nth <= 12; nth++) {
			fail_nth(points[p], nth, false, EIO);
			fail_nth(points[p], nth, true, ENOSPC);
		}
	}
}

static void a_failed_group_stays_void_after_a_crash(void **state)
{
	(void)state;
	struct harness h;
	struct error err = {0};
	harness_init(&h);
	harness_start(&h);
	assert_int_equal(harness_write(&h, 0, 1, 0), 0);
	fault_set(FAULT_FSYNC, 1, false, EIO);
	assert_true(harness_write(&h, 100, 1, 0) < 0); /* its bytes are in the file, whole */
	assert_true(harness_write(&h, 101, 1, 0) < 0); /* and nothing goes behind it */
	assert_int_equal(journal_resume(h.journal, &err), 0);
	assert_int_equal(harness_write(&h, 1, 1, 0), 0);
	harness_close(&h);
	harness_open(&h); /* the segment may be sealed by now, without the void frame, or still be there with it */
	assert_true(h.found.void_frames <= 1);
	struct harness_read r = harness_replay(&h, 0);
	assert_int_equal(r.records, 2);
	assert_int_equal(r.last, 1);
	harness_deinit(&h);
}

/* Commits one group of 4,000 records, more than four segments hold. */
static int write_long_group(struct harness *h, int64_t first)
{
	int code;
	struct batch *b = batch_new();
	for (int64_t n = 0; n < 4000; n++)
		harness_record(b, first + n, 1000);
	struct journal_group *g = journal_group_begin(h->journal, &code);
	assert_non_null(g);
	assert_int_equal(journal_frame_begin(g, FRAME_EVENTS, 1), 0);
	for (uint32_t i = 0; i < b->count; i++) {
		if (journal_frame_add(g, &b->records[i]) == 1) {
			journal_frame_end(g);
			assert_int_equal(journal_frame_begin(g, FRAME_EVENTS, 1), 0);
		}
	}
	journal_frame_end(g);
	assert_true(journal_group_frames(g) > 12);
	code = harness_commit(h, g);
	batch_free(b);
	return code;
}

static void a_group_may_span_segments(void **state)
{
	(void)state;
	struct harness h;
	harness_init(&h);
	harness_start(&h);
	assert_int_equal(write_long_group(&h, 0), 0);
	harness_reopen(&h);
	struct harness_read r = harness_replay(&h, 0);
	assert_int_equal(r.records, 4000);
	assert_true(r.in_order && r.whole);
	harness_deinit(&h);
}

/* Its first segments are full and closed when the group fails: they must not have been sealed with it. */
static void a_refused_group_over_segments_does_not_come_back(void **state)
{
	(void)state;
	for (uint64_t nth = 1; nth <= 12; nth++) {
		struct harness h;
		struct error err = {0};
		harness_init(&h);
		harness_start(&h);
		assert_int_equal(harness_write(&h, 0, 1, 0), 0);
		fault_set(FAULT_FSYNC, nth, false, EIO);
		uint32_t told = write_long_group(&h, 1) == 0 ? 4000 : 0;
		fault_clear();
		assert_int_equal(journal_resume(h.journal, &err), 0);
		assert_int_equal(harness_write(&h, 5000, 1, 0), 0);
		harness_close(&h);
		harness_open(&h);
		struct harness_read r = harness_replay(&h, 0);
		assert_true(r.in_order && r.whole);
		assert_int_equal(r.records, told + 2);
		harness_deinit(&h);
	}
}

/* ---- several groups at once ---- */

/* Holds the sync thread in the answer to one group until the next ones are committed, so that it takes those together. */
struct crowd {
	struct harness h;
	bool held, go;
	uint32_t answered;
};

static void crowd_on_commit(void *ctx, struct journal_group *g)
{
	struct crowd *c = ctx;
	(void)g;
	pthread_mutex_lock(&c->h.lock);
	c->held = true;
	c->answered++;
	pthread_cond_broadcast(&c->h.wake);
	while (!c->go)
		pthread_cond_wait(&c->h.wake, &c->h.lock);
	pthread_mutex_unlock(&c->h.lock);
}

static struct journal_group *begin_one(struct journal *j, struct batch *b, int64_t n, uint32_t pad)
{
	int code;
	struct record *r = harness_record(b, n, pad);
	struct journal_group *g = journal_group_begin(j, &code);
	assert_non_null(g);
	assert_int_equal(journal_frame_begin(g, FRAME_EVENTS, 1), 0);
	assert_true(journal_frame_add(g, r) >= 0);
	journal_frame_end(g);
	return g;
}

/* The first of two groups is written, the second wants a new segment, and the sync that this takes fails. Another sync of that file would seem to succeed. */
static void a_failed_sync_is_not_tried_again(void **state)
{
	(void)state;
	struct crowd c = {0};
	struct error err = {0};
	struct batch *b = batch_new();
	struct journal_group *g[3];
	harness_init(&c.h);
	c.h.options.on_commit = crowd_on_commit;
	c.h.options.ctx = &c;
	harness_start(&c.h);
	g[0] = begin_one(c.h.journal, b, 0, 500 * 1000); /* less than half a segment: no spare is made yet */
	journal_group_commit(g[0]);
	pthread_mutex_lock(&c.h.lock);
	while (!c.held)
		pthread_cond_wait(&c.h.wake, &c.h.lock);
	pthread_mutex_unlock(&c.h.lock);
	for (int i = 1; i < 3; i++) {
		g[i] = begin_one(c.h.journal, b, i, 300 * 1000);
		journal_group_commit(g[i]);
	}
	fault_set(FAULT_FSYNC, 1, false, EIO);
	pthread_mutex_lock(&c.h.lock);
	c.go = true;
	pthread_cond_broadcast(&c.h.wake);
	while (c.answered < 3)
		pthread_cond_wait(&c.h.wake, &c.h.lock);
	pthread_mutex_unlock(&c.h.lock);
	fault_clear();
	assert_int_equal(journal_group_status(g[0], &err), 0);
	assert_true(journal_group_status(g[1], &err) < 0);
	assert_true(journal_group_status(g[2], &err) < 0);
	for (int i = 0; i < 3; i++)
		journal_group_free(g[i]);
	batch_free(b);
	assert_int_equal(journal_resume(c.h.journal, &err), 0);
	harness_close(&c.h);
	harness_open(&c.h);
	assert_int_equal(harness_replay(&c.h, 0).records, 1);
	harness_deinit(&c.h);
}

static void syncing_by_interval_keeps_what_was_written(void **state)
{
	(void)state;
	struct harness h;
	harness_init(&h);
	h.options.interval_sync = true;
	harness_start(&h);
	for (int64_t n = 0; n < 50; n++)
		assert_int_equal(harness_write(&h, n, 1, 10), 0);
	harness_reopen(&h);
	assert_int_equal(harness_replay(&h, 0).records, 50);
	harness_deinit(&h);
}

/* Nobody waits for a sync of the interval: the failure costs the file, not what comes next. */
static void a_failed_sync_of_the_interval_refuses_nothing(void **state)
{
	(void)state;
	struct harness h;
	struct journal_stats stats;
	harness_init(&h);
	h.options.interval_sync = true;
	harness_start(&h);
	do { /* maintenance may meet the fault first */
		fault_clear();
		journal_stats(h.journal, &stats);
		if (stats.commit_failures > 0)
			break;                                    /* it was met when nobody waited for it any more */
		assert_int_equal(harness_write(&h, 1, 1, 10), 0); /* synced when the last sync is long ago */
		assert_int_equal(harness_write(&h, 1, 1, 10), 0);
		fault_set(FAULT_FSYNC, 1, false, EIO);
		for (int i = 0; i < 400; i++) {
			journal_stats(h.journal, &stats);
			if (stats.commit_failures > 0)
				break;
			usleep(10000);
		}
	} while (stats.commit_failures == 0);
	fault_clear();
	assert_true(stats.writable);
	assert_int_equal(harness_write(&h, 2, 1, 10), 0);
	journal_stats(h.journal, &stats);
	assert_true(stats.writable);
	assert_int_equal(stats.commit_failures, 1);
	harness_deinit(&h);
}

static int64_t stopped_clock(void *ctx)
{
	(void)ctx;
	return 1700000000 * NS_PER_S;
}

/* What was acknowledged waits for the next second's sync: the file is not left before that has been done. (The second never ends here: a machine that is held up for one would sync
 * the first write.) */
static void syncing_by_interval_syncs_before_a_file_is_given_up(void **state)
{
	(void)state;
	struct harness h;
	harness_init(&h);
	h.options.interval_sync = true;
	clock_set_source(stopped_clock, stopped_clock, NULL);
	harness_start(&h);
	fault_set(FAULT_WRITE, 3, true, EIO); /* after the zeros ahead and the first group */
	uint64_t before = fault_hits(FAULT_FSYNC);
	assert_int_equal(harness_write(&h, 0, 1, 10), 0);
	assert_int_equal(fault_hits(FAULT_FSYNC), before);
	assert_int_equal(harness_write(&h, 1, 1, 10), -EIO);
	for (int i = 0; i < 1000 && fault_hits(FAULT_FSYNC) == before; i++)
		usleep(1000);
	assert_int_equal(fault_hits(FAULT_FSYNC), before + 1);
	fault_clear();
	harness_deinit(&h);
	clock_set_source(NULL, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_written_is_read_back),
	    cmocka_unit_test(many_starts_keep_everything),
	    cmocka_unit_test(segments_are_sealed_and_recycled),
	    cmocka_unit_test(a_spare_is_made_when_the_segment_is_half_full),
	    cmocka_unit_test(retention_removes_the_oldest_but_nothing_above_the_floor),
	    cmocka_unit_test(a_floor_that_rises_is_looked_at),
	    cmocka_unit_test(retention_by_age_reaches_the_segment_that_is_written),
	    cmocka_unit_test(retention_goes_on_while_nothing_can_be_sealed),
	    cmocka_unit_test(numbers_go_on_when_retention_took_everything),
	    cmocka_unit_test(numbers_go_on_behind_what_a_checkpoint_holds),
	    cmocka_unit_test(a_tail_cut_at_any_byte_keeps_every_complete_frame),
	    cmocka_unit_test(a_flipped_byte_costs_its_frame_alone),
	    cmocka_unit_test(a_flipped_byte_of_a_segments_header_costs_no_frame),
	    cmocka_unit_test(a_flipped_byte_of_a_sealed_file_costs_its_frame_alone),
	    cmocka_unit_test(stray_and_empty_files_do_not_keep_it_from_opening),
	    cmocka_unit_test(every_failure_of_the_disk_is_survived),
	    cmocka_unit_test(a_failed_group_stays_void_after_a_crash),
	    cmocka_unit_test(a_group_may_span_segments),
	    cmocka_unit_test(a_refused_group_over_segments_does_not_come_back),
	    cmocka_unit_test(a_failed_sync_is_not_tried_again),
	    cmocka_unit_test(syncing_by_interval_keeps_what_was_written),
	    cmocka_unit_test(a_failed_sync_of_the_interval_refuses_nothing),
	    cmocka_unit_test(syncing_by_interval_syncs_before_a_file_is_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
