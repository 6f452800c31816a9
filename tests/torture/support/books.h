/* An engine in this process on a directory of its own, and the books of what it was given.
 *
 * Entry n of the books is a submission of EVENTS events, each with an id of its own, which a script counts under the label n. So every answer can be held
 * against what the engine shows: of what it took all events, once each; of what it refused, none. */
#ifndef MOONGATE_TORTURE_BOOKS_H
#define MOONGATE_TORTURE_BOOKS_H

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "engine/engine.h"
#include "row.h"

enum { EVENTS = 8, ENTRIES_MAX = 256, PATIENCE_S = 30 };

enum answer { UNSENT, WAITING, TAKEN, REFUSED };

struct entry {
	struct submission submission; /* first: `done` casts */
	_Atomic int answer;           /* enum answer */
	bool ever_taken;              /* all of it, at some time */
	uint32_t counted;             /* events that were taken as new */
	uint64_t mark;                /* the row's own, from before it was sent */
};

struct books {
	const struct row *row;
	char dir[PATH_MAX]; /* with data/, scripts/metrics/ and conf/ */
	struct config config;
	struct engine *engine;
	uint32_t pad; /* bytes of text in each event */
	struct entry entries[ENTRIES_MAX];
	/* Called on the engine's thread at every answer; may be NULL. */
	void (*on_answer)(struct books *b, struct entry *e);
};

static struct books books;

/* What a row says of itself when it breaks: which of its cases. */
static char books_case[256];

#define FAIL(...) books_fail(__FILE__, __LINE__, __VA_ARGS__)
#define WANT(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			FAIL("%s", #condition);                                                                        \
	} while (0)

__attribute__((noreturn, format(printf, 3, 4))) static void books_fail(const char *file, int line, const char *format,
                                                                       ...)
{
	char text[2048];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	row_failed(books.row, "%s: %s (%s:%d; what it left is in %s)", books_case, text, strrchr(file, '/') + 1, line,
	           books.dir);
}

/* ---- the directory ---- */

static void books_path(char out[PATH_MAX], const char *name)
{
	if (snprintf(out, PATH_MAX, "%s/%s", books.dir, name) >= PATH_MAX)
		FAIL("the path of %s is too long", name);
}

static void books_write(const char *name, const char *text)
{
	char path[PATH_MAX];
	books_path(path, name);
	FILE *f = fopen(path, "w");
	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		FAIL("%s cannot be written", path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static void books_remove(const char *path)
{
	if (access(path, F_OK) == 0 && nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
		FAIL("%s cannot be removed", path);
}

static void books_deinit(void)
{
	config_deinit(&books.config);
	books_remove(books.dir);
}

static void set_option(const char *key, const char *value)
{
	struct error err = {0};
	char path[PATH_MAX];
	books_path(path, value);
	if (config_set(&books.config, key, path, &err) != 0)
		FAIL("%s", err.text);
}

/* The directory with one script, `script`, and a configuration with segments of 1 MiB. */
static void books_init(const struct row *row, const char *script, uint32_t pad)
{
	/* In memory where that is to be had: it is not the disk that a row on fault points is about. */
	const char *tmp = getenv("TMPDIR") != NULL        ? getenv("TMPDIR")
	                  : access("/dev/shm", W_OK) == 0 ? "/dev/shm"
	                                                  : "/tmp";
	const char *const folders[] = {"scripts", "scripts/metrics", "conf"};
	char path[PATH_MAX];
	books = (struct books){.row = row, .pad = pad};
	snprintf(books.dir, sizeof books.dir, "%s/moongate-row-XXXXXX", tmp);
	if (mkdtemp(books.dir) == NULL || config_init(&books.config) != 0)
		FAIL("there is no directory, or no memory, to begin with");
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		books_path(path, folders[i]);
		WANT(mkdir(path, 0750) == 0);
	}
	books_write("scripts/metrics/books.lua", script);
	set_option("data", "data");
	set_option("scripts", "scripts");
	set_option("plugins", "plugins");
	free(books.config.conf_dir);
	books_path(path, "conf");
	books.config.conf_dir = strdup(path);
	books.config.journal.segment_bytes = 1 << 20;
	books.config.limits.call_ms = 60000; /* a busy machine, or a sanitizer, cuts nothing off */
	books.config.limits.load_ms = 60000;
	books.config.limits.strikes = 1000000;
	if (getenv("TORTURE_LOG") == NULL && log_start(&(struct log_options){.level = LOG_FATAL}, NULL) != 0)
		FAIL("the log does not start");
}

/* A directory as on the first day, books with nothing in them. */
static void books_reset(void)
{
	char path[PATH_MAX];
	WANT(books.engine == NULL);
	books_path(path, "data");
	books_remove(path);
	memset(books.entries, 0, sizeof books.entries);
}

/* ---- the engine ---- */

/* Opens and starts it: 0, or what failed, which then has a sentence and has left nothing behind. */
static int books_open(struct error *err)
{
	*err = (struct error){0};
	books.engine = engine_new(&books.config, err);
	int code = books.engine != NULL ? engine_start(books.engine, err) : err->code;
	if (code == 0 && books.engine != NULL)
		return 0;
	engine_free(books.engine);
	books.engine = NULL;
	if (code >= 0 || err->code >= 0 || err->text[0] == '\0')
		FAIL("a start failed with code %d, and says \"%s\"", code, err->text);
	return code;
}

/* The same where nothing stands in the way. */
static void books_open_well(void)
{
	struct error err;
	if (books_open(&err) != 0)
		FAIL("the engine does not start: %s", err.text);
}

static void books_close(void)
{
	engine_stop(books.engine);
	engine_free(books.engine);
	books.engine = NULL;
}

/* Waits for a condition, not for a time. */
#define WAIT_FOR(condition) WAIT_OR(condition, FAIL("waited in vain for %s", #condition))
#define WAIT_OR(condition, otherwise)                                                                                  \
	for (int64_t until_ = clock_mono_ns() + PATIENCE_S * NS_PER_S; !(condition); usleep(200)) {                    \
		if (clock_mono_ns() > until_) {                                                                        \
			otherwise;                                                                                     \
		}                                                                                                      \
	}

struct books_wait {
	_Atomic bool over;
	int status;
	struct error err;
	struct engine_view *view;
};

static void books_reload_done(void *user, int status, const struct error *err)
{
	struct books_wait *w = user;
	w->status = status;
	if (status != 0)
		w->err = *err;
	atomic_store(&w->over, true);
}

/* Loads the scripts anew: 0, or why not. */
static int books_reload(void)
{
	struct books_wait w = {0};
	engine_reload(books.engine, books_reload_done, &w);
	WAIT_FOR(atomic_load(&w.over));
	if (w.status > 0 || (w.status != 0 && w.err.text[0] == '\0'))
		FAIL("a reload ended with %d, and says \"%s\"", w.status, w.err.text);
	return w.status;
}

static void books_view_done(void *user, struct engine_view *view)
{
	struct books_wait *w = user;
	w->view = view;
	atomic_store(&w->over, true);
}

/* A view of the metrics; NULL where memory is out. */
static struct engine_view *books_view(void)
{
	struct books_wait w = {0};
	engine_view_request(books.engine, books_view_done, &w);
	WAIT_FOR(atomic_load(&w.over));
	return w.view;
}

/* What the scripts count, as of the last frame, in `out`, NUL-terminated; with `own` also what the engine counts. 0 or -ENOMEM. */
static int books_metrics(enum exposition_format format, bool own, struct buf *out)
{
	struct engine_view *view = books_view();
	if (view == NULL)
		return -ENOMEM;
	int code = exposition_render(engine_view_metrics(view), format, 0, out);
	if (own)
		engine_view_render(view, format, out);
	exposition_end(out, format);
	buf_byte(out, '\0');
	engine_view_free(view);
	return code != 0 || buf_failed(out) ? -ENOMEM : 0;
}

/* The sample of that name and labels in an exposition; −1 where it is not there. */
static double books_sample(const char *metrics, const char *name)
{
	size_t len = strlen(name);
	for (const char *line = metrics; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ' ')
			return strtod(line + len, NULL);
	}
	return -1;
}

/* The same of the engine as it is now. */
static double books_figure(const char *name)
{
	struct buf out = {0};
	if (books_metrics(EXPOSITION_TEXT, true, &out) != 0)
		FAIL("out of memory for the metrics");
	double v = books_sample(out.ptr, name);
	buf_free(&out);
	return v;
}

/* ---- entries ---- */

static void books_answered(struct submission *s)
{
	struct entry *e = (struct entry *)s;
	if (s->status > 0 || (s->status == 0 && s->accepted + s->duplicate + s->failed != EVENTS) ||
	    (s->status != 0 && s->accepted + s->duplicate != 0))
		FAIL("an answer of status %d, %u accepted, %u duplicate, %u failed", s->status, s->accepted,
		     s->duplicate, s->failed);
	if (s->status == 0 && s->failed == 0 && e->ever_taken && s->duplicate != EVENTS)
		FAIL("taken before, and %u of %d are known", s->duplicate, EVENTS);
	if (books.on_answer != NULL)
		books.on_answer(&books, e);
	bool whole = s->status == 0 && s->failed == 0;
	e->ever_taken |= whole;
	e->counted = whole ? EVENTS : e->counted + s->accepted;
	batch_free(s->batch);
	s->batch = NULL;
	atomic_store(&e->answer, whole ? TAKEN : REFUSED);
}

static void add_event(struct batch *b, uint32_t entry, uint32_t i)
{
	static const char *const names[] = {"id", "entry", "pad", "trace_id"};
	uint32_t keys[4];
	char id[32];
	for (int k = 0; k < 4; k++)
		keys[k] = (uint32_t)batch_key(b, slice_cstr(names[k]));
	snprintf(id, sizeof id, "e%u-%u", entry, i);
	struct slice copy = arena_copy(&b->arena, slice_cstr(id));
	struct value *v = batch_values(b, 4);
	char *pad = arena_alloc(&b->arena, books.pad + 1);
	struct record *r = batch_add(b);
	if (copy.ptr == NULL || v == NULL || pad == NULL || r == NULL)
		FAIL("out of memory for an event");
	uint32_t x = entry * EVENTS + i + 1;
	for (uint32_t k = 0; k < books.pad; k++) {
		x = x * 1664525 + 1013904223;
		pad[k] = (char)(' ' + 1 + (x >> 8) % 90);
	}
	v[0] = (struct value){.str = copy.ptr, .len = (uint32_t)copy.len, .type = VALUE_STRING};
	v[1] = (struct value){.integer = entry, .type = VALUE_INT};
	v[2] = (struct value){.str = pad, .len = books.pad, .type = VALUE_STRING};
	v[3] = v[0];
	r->shape = (uint32_t)batch_shape(b, keys, 4);
	r->type = (uint16_t)batch_type(b, SLICE("tick"));
	r->values = v;
	r->time_ns = clock_wall_ns();
	r->index = i;
}

/* The events of an entry, before they are sent; from here on only the engine takes memory for them. */
static void books_prepare(uint32_t n)
{
	struct entry *e = &books.entries[n];
	struct batch *b = batch_new();
	if (b == NULL)
		FAIL("out of memory for a batch");
	for (uint32_t i = 0; i < EVENTS; i++)
		add_event(b, n, i);
	e->submission = (struct submission){.batch = b, .done = books_answered};
}

static void books_send_prepared(uint32_t n)
{
	struct entry *e = &books.entries[n];
	atomic_store(&e->answer, WAITING);
	engine_submit(books.engine, &e->submission);
}

static void books_send(uint32_t n)
{
	books_prepare(n);
	books_send_prepared(n);
}

/* Waits for the answers to entries [first, end). */
static void books_settle(uint32_t first, uint32_t end)
{
	for (uint32_t n = first; n < end; n++)
		WAIT_FOR(atomic_load(&books.entries[n].answer) != WAITING);
}

/* Sends entries [first, end) and waits for their answers. */
static void books_fill(uint32_t first, uint32_t end)
{
	for (uint32_t n = first; n < end; n++)
		books_send(n);
	books_settle(first, end);
}

/* How many entries have that answer. */
static uint32_t books_count(enum answer answer)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < ENTRIES_MAX; i++)
		n += atomic_load(&books.entries[i].answer) == (int)answer;
	return n;
}

/* Holds what the engine shows against the books. `restarted`: the engine has ended since something was refused, so that what it had refused may be there all
 * the same, in part or whole: nothing voids the frames of a segment that was the last one. Its ids make sending it again count what is missing. */
static void books_check(bool restarted)
{
	struct buf out = {0};
	if (books_metrics(EXPOSITION_TEXT, true, &out) != 0)
		FAIL("out of memory for the metrics");
	for (uint32_t n = 0; n < ENTRIES_MAX; n++) {
		const struct entry *e = &books.entries[n];
		char name[64];
		snprintf(name, sizeof name, "ticks_total{entry=\"%u\"}", n);
		double v = books_sample(out.ptr, name);
		bool may_be = restarted && e->answer == REFUSED && v > e->counted && v <= EVENTS;
		if (v == (e->counted != 0 ? (double)e->counted : -1) || may_be)
			continue;
		FAIL("entry %u, of which %u events were taken, is counted %g times", n, e->counted, v);
	}
	buf_free(&out);
}

/* Sends again what was refused (every `step`th entry) until it is taken; `before` is called before each time. */
static void books_repeat(uint32_t step, void (*before)(void))
{
	for (uint32_t n = 0; n < ENTRIES_MAX; n += step) {
		if (atomic_load(&books.entries[n].answer) != REFUSED)
			continue;
		WAIT_FOR((before(), books_fill(n, n + 1), books.entries[n].answer == TAKEN));
	}
}

#endif
