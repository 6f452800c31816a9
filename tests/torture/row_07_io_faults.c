/* Row 7: the Nth open, read, write, fsync, rename, allocation of a file or map fails, once and for ever, with EIO and with ENOSPC.
 *
 * One life of an engine is led again and again: it opens, loads scripts, takes submissions over several segments, reloads, writes checkpoints, seals, stops,
 * opens again and replays. In each life one call of base/file.h fails at another place. Then
 *
 *   - what cannot start or reload says why, and goes by itself once the fault has passed; nothing is left open;
 *   - what was refused is not counted, and is taken once the fault has passed, without a restart;
 *   - what was taken is there after a restart, once each, and so is what was refused and sent again;
 *   - a file whose fsync failed is neither synced nor written again by that engine, and nothing is taken but after an fsync that succeeded, begun after it
 *     was sent. (A new engine trusts only what it reads, and may write that anew.)
 *
 * The last is seen by standing before the file functions (tests/CMakeLists.txt: __wrap_). A file that failed is kept open, so that no other gets its inode.
 * Directories are excepted: what a failed fsync of one leaves in doubt is a name, and that name is not used. */
#include <dirent.h>
#include <sys/stat.h>

#include "base/file.h"
#include "support/books.h"

enum {
	FILL = 96,       /* entries of a life: some three segments */
	PAD = 4000,      /* bytes of an event */
	SHORT_RUNS = 28, /* lives of the short form */
	FAILED_MAX = 4096
};

static const struct row row = {7, "file calls fail, each one"};

static const char script[] = "local ticks = counter \"ticks_total\" { labels = { \"entry\" }, max_series = 1000 }\n"
                             "on(\"tick\", function(ev) ticks:inc(ev.entry) end)\n";

/* Calls that go on until they are cut off, each after as many changes as it came to. */
static const char endless[] = "local ticks = counter \"ticks_total\" { labels = { \"entry\" } }\n"
                              "on(\"tick\", function(ev) while true do ticks:inc(ev.entry) end end)\n";

static const char *const point_names[FAULT_MALLOC] = {"open", "read", "write", "fsync", "rename", "allocate", "mmap"};

/* ---- what is seen of the files ---- */

static struct {
	pthread_mutex_t lock;
	struct failed {
		int fd; /* keeps the inode */
		dev_t dev;
		ino_t ino;
	} files[FAILED_MAX];
	uint32_t count;
	_Atomic uint64_t good; /* syncs of files that succeeded */
} failed = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Fails the row when the file is one of those. Directories never are. */
static void file_is_fine(int fd, const char *what)
{
	struct stat st;
	WANT(fstat(fd, &st) == 0);
	pthread_mutex_lock(&failed.lock);
	for (uint32_t i = 0; i < failed.count; i++) {
		if (failed.files[i].dev == st.st_dev && failed.files[i].ino == st.st_ino)
			FAIL("a file is %s again after its fsync failed", what);
	}
	pthread_mutex_unlock(&failed.lock);
}

static void synced(int fd, int code)
{
	struct stat st;
	WANT(fstat(fd, &st) == 0);
	if (S_ISDIR(st.st_mode))
		return;
	if (code == 0) {
		atomic_fetch_add(&failed.good, 1);
		return;
	}
	pthread_mutex_lock(&failed.lock);
	WANT(failed.count < FAILED_MAX);
	failed.files[failed.count++] = (struct failed){dup(fd), st.st_dev, st.st_ino};
	pthread_mutex_unlock(&failed.lock);
}

static void forget_failed(void)
{
	for (uint32_t i = 0; i < failed.count; i++)
		close(failed.files[i].fd);
	failed.count = 0;
}

int __real_file_sync(int fd);
int __wrap_file_sync(int fd);
int __real_file_datasync(int fd);
int __wrap_file_datasync(int fd);
int __real_file_pwrite(int fd, const void *from, size_t len, int64_t offset);
int __wrap_file_pwrite(int fd, const void *from, size_t len, int64_t offset);
int __real_file_write(int fd, const void *from, size_t len);
int __wrap_file_write(int fd, const void *from, size_t len);

int __wrap_file_sync(int fd)
{
	file_is_fine(fd, "synced");
	int code = __real_file_sync(fd);
	synced(fd, code);
	return code;
}

int __wrap_file_datasync(int fd)
{
	file_is_fine(fd, "synced");
	int code = __real_file_datasync(fd);
	synced(fd, code);
	return code;
}

int __wrap_file_pwrite(int fd, const void *from, size_t len, int64_t offset)
{
	file_is_fine(fd, "written");
	return __real_file_pwrite(fd, from, len, offset);
}

int __wrap_file_write(int fd, const void *from, size_t len)
{
	file_is_fine(fd, "written");
	return __real_file_write(fd, from, len);
}

static void on_answer(struct books *b, struct entry *e)
{
	(void)b;
	if (e->submission.status == 0 && e->submission.accepted != 0 && atomic_load(&failed.good) == e->mark)
		FAIL("an entry was taken, and nothing was synced since it was sent");
}

static void send(uint32_t first, uint32_t end)
{
	for (uint32_t n = first; n < end; n++) {
		books.entries[n].mark = atomic_load(&failed.good);
		books_send(n);
	}
	books_settle(first, end);
}

/* ---- one life ---- */

struct fault {
	enum fault_point point;
	uint64_t nth;
	bool always;
	int error;
};

static struct fault fault; /* of the life at hand */
static uint64_t hits_before;

static bool has_struck(void)
{
	return fault_hits(fault.point) - hits_before >= fault.nth;
}

/* Once it has struck, the disk is well again. */
static void heal(void)
{
	if (has_struck())
		fault_set(fault.point, 0, false, 0);
}

static void open_in_spite(void)
{
	struct error err;
	if (books_open(&err) == 0)
		return;
	if (!has_struck())
		FAIL("the engine does not start: %s", err.text);
	heal();
	forget_failed();
	books_open_well();
}

/* The engine has had its chance to seal and to write a checkpoint, or a fault came in between. */
static bool has_worked(void)
{
	return has_struck() || (books_figure("moongate_journal_sealed_segments") >= 2 &&
	                        books_figure("moongate_checkpoints_total") >= 1);
}

static void live(void)
{
	open_in_spite();
	send(0, FILL / 2);
	if (books_reload() != 0)
		WANT(has_struck());
	send(FILL / 2, FILL);
	WAIT_FOR(has_worked());
	if (!has_struck())
		WANT(books_count(REFUSED) == 0);
	books_check(false);
	heal();
	books_repeat(2, heal);
	WAIT_FOR((heal(), send(FILL, FILL + 1), books.entries[FILL].answer == TAKEN));
	books_check(false);
	books_close();
}

/* Opens again, where everything that was refused and not yet repeated is; then once more, where the journal and the checkpoint are all there is. */
static void live_again(void)
{
	forget_failed();
	open_in_spite();
	books_check(true);
	heal();
	books_repeat(1, heal);
	books_check(true);
	books_close();
	fault_set(fault.point, 0, false, 0);
	forget_failed();
	books_open_well();
	books_check(true);
	books_close();
}

/* Descriptors that this process has open. */
static int descriptors_open(void)
{
	int n = 0;
	DIR *dir = opendir("/proc/self/fd");
	WANT(dir != NULL);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* How often the point was reached. */
static uint64_t run(struct fault f, int *refused)
{
	snprintf(books_case, sizeof books_case, "%s %llu fails %s with %s", point_names[f.point],
	         (unsigned long long)f.nth, f.always ? "for ever" : "once", f.error == EIO ? "EIO" : "ENOSPC");
	books_reset();
	forget_failed();
	int descriptors = descriptors_open();
	fault = f;
	hits_before = fault_hits(f.point);
	fault_set(f.point, f.nth, f.always, f.error);
	live();
	*refused += (int)books_count(REFUSED);
	live_again();
	uint64_t hits = fault_hits(f.point) - hits_before;
	if (descriptors_open() - (int)failed.count != descriptors)
		FAIL("%d descriptors are left open", descriptors_open() - (int)failed.count - descriptors);
	return hits;
}

/* ---- what a replay has to know ---- */

static void fail_next_sync(struct books *b, struct entry *e)
{
	on_answer(b, e);
	if (e == &b->entries[0])
		fault_set(FAULT_FSYNC, 1, true, EIO);
}

/* The sync fails by which the notes of cut-off calls would have become durable: they are written again, and a replay cuts at the same places. */
static void notes_are_kept(void)
{
	snprintf(books_case, sizeof books_case, "the notes of cut-off calls are not synced");
	books_write("scripts/metrics/books.lua", endless);
	books_reset();
	books.config.limits.call_ms = 5;
	books.on_answer = fail_next_sync;
	books_open_well();
	WAIT_FOR(books_figure("moongate_checkpoints_total") == 1);
	send(0, 1);
	WAIT_FOR(books_figure("moongate_groups_failed_total") >= 1);
	fault_set(FAULT_FSYNC, 0, false, 0);
	books.on_answer = on_answer;
	WAIT_FOR((send(1, 2), books.entries[1].answer == TAKEN));
	double was = books_figure("ticks_total{entry=\"0\"}");
	WANT(was >= EVENTS);
	fault_set(FAULT_RENAME, 1, true, EIO); /* no checkpoint at the end */
	books_close();
	fault_set(FAULT_RENAME, 0, false, 0);
	forget_failed();
	books_open_well();
	double is = books_figure("ticks_total{entry=\"0\"}");
	if (is != was)
		FAIL("calls that were cut off at %.0f changes come to %.0f in a replay", was, is);
	books_close();
	forget_failed();
}

/* ---- all of them ---- */

/* How often each point is reached in a life without faults. */
static void count_hits(uint64_t counts[FAULT_MALLOC])
{
	int refused = 0;
	for (int point = 0; point < FAULT_MALLOC; point++)
		counts[point] = run((struct fault){point, UINT64_MAX, false, EIO}, &refused);
	WANT(refused == 0);
}

int main(void)
{
	uint64_t counts[FAULT_MALLOC], total = 0, runs = 0, at = 0;
	int refused = 0;
	fault_clear();
	books_init(&row, script, PAD);
	books.on_answer = on_answer;
	count_hits(counts);
	for (int point = 0; point < FAULT_MALLOC; point++)
		total += 4 * counts[point];
	uint64_t step = row_long() ? 1 : total / SHORT_RUNS;
	for (int point = 0; point < FAULT_MALLOC; point++) {
		for (uint64_t i = 0; i < 4 * counts[point]; i++) {
			if (at++ % step != step / 2)
				continue;
			run((struct fault){point, i / 4 + 1, i & 1, i & 2 ? ENOSPC : EIO}, &refused);
			runs++;
		}
	}
	WANT(refused > 0);
	notes_are_kept();
	books_deinit();
	return row_held(&row, "%llu lives, one of %llu places fails in each: 0 lost, 0 doubled",
	                (unsigned long long)runs, (unsigned long long)(total / 4));
}
