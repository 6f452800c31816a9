/* Row 8: the Nth allocation fails, once or from there on, for every N until a run is over before it.
 *
 * Thirteen things that a gateway does are done again and again. Each succeeds in spite of it or fails with -ENOMEM (and a sentence where people read it);
 * then, with memory back, the same succeeds. What the engine took is counted once, what it refused is not, and where a script's call was cut off for want
 * of memory, a replay of the journal comes to the same values to the byte. ctest runs the row under ASan, which sees what leaks.
 *
 * What fails is base/mem.h: all of moongate, LuaJIT and zlib. libuv, zstd and cJSON allocate for themselves; libuv ends the process where it has no memory
 * for its table of descriptors. */
#include <uv.h>
#include <zlib.h>

#include "api/api.h"
#include "ingest/ingest.h"
#include "journal/journal.h"
#include "support/books.h"
#include "support/talk.h"

enum { FEW = 3, MANY = 96, BIG_PAD = 4000, SMALL_PAD = 40 };

static const struct row row = {8, "allocations fail, each one"};

/* One of the thirteen. */
struct scenario {
	const char *name;
	void (*before)(void);
	int (*act)(void);        /* with the fault: 0 or -ENOMEM */
	void (*after)(int code); /* without: all is well */
	uint64_t short_runs;
	bool once; /* without any memory no connection is taken until there is some */
};

/* ---- the values ---- */

static char *value_text; /* what the scripts count, as it should be */

static char *values(void)
{
	struct buf out = {0};
	/* In the format that has no exemplars: those are examples, which memory may be out for. */
	if (books_metrics(EXPOSITION_TEXT, false, &out) != 0)
		FAIL("out of memory for the metrics");
	char *text = strdup(out.ptr);
	buf_free(&out);
	return text;
}

static void keep_values(void)
{
	free(value_text);
	value_text = values();
}

static void check_values(const char *after_what)
{
	char *now = values();
	const char *was = value_text;
	size_t at = 0;
	while (now[at] != '\0' && now[at] == was[at])
		at++;
	if (now[at] != was[at]) {
		while (at > 0 && was[at - 1] != '\n')
			at--;
		FAIL("after %s it shows\n%.300s\nwhere it was\n%.300s", after_what, now + at, was + at);
	}
	free(now);
}

/* Stops without a checkpoint, as a kill would, though with nothing on its way. */
static void close_without_checkpoint(void)
{
	fault_set(FAULT_RENAME, 1, true, EIO);
	books_close();
	fault_set(FAULT_RENAME, 0, false, 0);
}

/* A replay of the journal comes to what is shown. */
static void check_replay(void)
{
	WAIT_FOR(books_figure("moongate_replay_exact") == 1);
	keep_values();
	close_without_checkpoint();
	books_open_well();
	check_values("a replay");
}

static bool was_cut(void)
{
	return books_figure("moongate_script_cuts_total{script=\"scripts/metrics/books.lua\"}") > 0;
}

/* Where no call was cut off the books agree, too. */
static void check_books(void)
{
	if (!was_cut())
		books_check(false);
}

static void nothing(void)
{
}

/* What was refused is taken now; new entries are, too; and all of it is there after a replay. Ends the engine. */
static void check_all(void)
{
	check_books();
	books_repeat(1, nothing);
	WANT(books_count(REFUSED) == 0);
	books_fill(FEW, 2 * FEW);
	WANT(books_count(TAKEN) == 2 * FEW);
	check_books();
	check_replay();
	books_close();
}

static void after_all(int code)
{
	(void)code;
	check_all();
}

/* ---- an engine and a few entries ---- */

/* An engine of one day with this script, whose first checkpoint stands, and FEW entries that wait to be sent. */
static void begin(const char *script)
{
	books_write("scripts/metrics/books.lua", script);
	books_reset();
	books_open_well();
	WAIT_FOR(books_figure("moongate_checkpoints_total") == 1);
	for (uint32_t n = 0; n < FEW; n++)
		books_prepare(n);
}

static int send_few(void)
{
	int code = 0;
	for (uint32_t n = 0; n < FEW; n++)
		books_send_prepared(n);
	books_settle(0, FEW);
	for (uint32_t n = 0; n < FEW; n++)
		code = books.entries[n].submission.status != 0 ? books.entries[n].submission.status : code;
	return code;
}

static void begin_and_send(const char *script)
{
	begin(script);
	WANT(send_few() == 0);
	keep_values();
}

static const char every_metric[] =
    "local labels = { \"entry\" }\n"
    "local ticks = counter \"ticks_total\" { labels = labels }\n"
    "local size = gauge \"size\" { labels = labels }\n"
    "local took = histogram \"took_seconds\" { labels = labels, unit = \"seconds\", buckets = { 1, 2 } }\n"
    "local waited = summary \"waited\" { labels = labels, window = \"10m\", quantiles = { 0.5 } }\n"
    "local users = distinct \"users\" { period = \"day\" }\n"
    "local top = topk \"top\" { labels = { \"id\" }, k = 5 }\n"
    "local good = ratio \"good\" { labels = labels, window = \"10m\" }\n"
    "local mid = mean \"mid\" { labels = labels, window = \"10m\" }\n"
    "on(\"tick\", function(ev)\n"
    "  local n = tonumber(ev.entry)\n"
    "  size:set(n, ev.entry); took:observe(n, ev.entry); waited:observe(n, ev.entry); users:see(ev.id)\n"
    "  top:add(n + 1, ev.id); good:hit(ev.entry); good:miss(ev.entry); mid:with{ entry = ev.entry }:observe(n)\n"
    "  ticks:inc(ev.entry)\n"
    "  emit(\"tock\", { text = ev.id .. \"!\", deep = { 1, 2, { a = ev.entry } } })\n"
    "end)\n"
    "on(\"tock\", function(ev) users:see(ev.text) end)\n";

static const char filters[] = "local ticks = counter \"ticks_total\" { labels = { \"entry\" } }\n"
                              "filter(\"tick\", function(ev)\n"
                              "  ev.pad = ev.pad:sub(1, 3) .. ev.pad:upper() .. ev.id\n"
                              "  ev.extra = { list = { 1, 2, ev.pad }, more = { a = { b = true } } }\n"
                              "  ev.trace_id = nil\n"
                              "end)\n"
                              "on(\"tick\", function(ev) if ev[\"extra.more.a.b\"] then ticks:inc(ev.entry) end end)\n";

static const char states[] = "local ticks = counter \"ticks_total\" { labels = { \"entry\" } }\n"
                             "local known = gauge \"known\" { labels = { \"entry\" } }\n"
                             "local a, b = state \"a\", state \"b\"\n"
                             "on(\"tick\", function(ev)\n"
                             "  a:set(ev.id, ev.id .. \" with a text behind it\", \"1h\")\n"
                             "  a:set(\"a key that does not fit into an entry: \" .. ev.id, 1)\n"
                             "  b:incr(ev.entry); b:incr(\"all\", 2); b:set(\"last\", ev.id)\n"
                             "  known:set(a:count() + b:get(\"all\"), ev.entry)\n"
                             "  ticks:inc(ev.entry)\n"
                             "end)\n";

/* ---- events as JSON ---- */

static struct batch *decoded;
static struct ingest_rejects rejects;

static int decode(void)
{
	static const char text[] =
	    "[{\"type\":\"model.call\",\"id\":\"a\\u00e9\",\"time\":1767355445,\"usage\":{\"input\":1,\"list\":[1,2.5,"
	    "\"x\",null]},"
	    "\"text\":\"line\\nbreak\"},{\"type\":\"tool.call\",\"id\":7,\"deep\":{\"a\":{\"b\":{\"c\":1}}}},"
	    "{\"type\":\"\"},{\"time\":1},{\"type\":\"x\",\"a\":1,\"a\":2}]";
	static char padded[sizeof text + INGEST_PADDING];
	struct ingest_limits limits;
	struct error err = {0};
	memcpy(padded, text, sizeof text - 1);
	ingest_limits_default(&limits);
	decoded = batch_new();
	if (decoded == NULL)
		return -ENOMEM;
	int code = ingest_events_json(decoded, slice_new(padded, sizeof text - 1), 1, &limits, &rejects, &err);
	WANT(code != 0 || (decoded->count == 2 && rejects.count == 3));
	return code;
}

static void drop_decoded(void)
{
	batch_free(decoded);
	ingest_rejects_free(&rejects);
	rejects = (struct ingest_rejects){0};
}

static void after_decode(int code)
{
	(void)code;
	drop_decoded();
	WANT(decode() == 0);
	drop_decoded();
}

/* ---- submissions through scripts ---- */

static void before_submit(void)
{
	begin(every_metric);
}

static void before_filter(void)
{
	begin(filters);
}

static void before_state(void)
{
	begin(states);
}

/* ---- a reload: one metric stays, some go, states come ---- */

static void before_reload(void)
{
	begin_and_send(every_metric);
	books_write("scripts/metrics/books.lua", states);
}

static void after_reload(int code)
{
	if (code != 0) {
		check_values("a reload that failed");
		WANT(books_reload() == 0);
	}
	WANT(books_figure("size{entry=\"0\"}") == -1);
	check_all();
}

/* ---- a view, rendered in both formats ---- */

static void before_view(void)
{
	begin_and_send(every_metric);
}

static int view(void)
{
	struct buf text = {0}, open = {0};
	int code = books_metrics(EXPOSITION_TEXT, true, &text);
	int other = books_metrics(EXPOSITION_OPENMETRICS, true, &open);
	WANT(code != 0 || books_sample(text.ptr, "ticks_total{entry=\"0\"}") == EVENTS);
	WANT(other != 0 || strstr(open.ptr, "# EOF\n") != NULL);
	buf_free(&text);
	buf_free(&open);
	return code != 0 ? code : other;
}

/* ---- a checkpoint at the end, and starts with and without one ---- */

static int stop(void)
{
	books_close();
	return 0;
}

static void after_stop(int code)
{
	(void)code;
	books_open_well();
	check_values("a stop and a start");
	check_all();
}

static void copy_folder(const char *from, const char *to)
{
	char command[3 * PATH_MAX], a[PATH_MAX], b[PATH_MAX];
	books_path(a, from);
	books_path(b, to);
	books_remove(b);
	snprintf(command, sizeof command, "cp -a '%s' '%s'", a, b);
	if (system(command) != 0)
		FAIL("%s", command);
}

static bool folder_exists(const char *name)
{
	char path[PATH_MAX];
	books_path(path, name);
	return access(path, F_OK) == 0;
}

/* Two sets of scripts one after the other, and events for each; without a checkpoint of the end, or without any. */
static void save_data(const char *as, bool checkpoints)
{
	begin_and_send(states);
	books_write("scripts/metrics/books.lua", every_metric);
	WANT(books_reload() == 0);
	WAIT_FOR(books_figure("moongate_checkpoints_total") == 2);
	books_fill(FEW, FEW + 1);
	keep_values();
	close_without_checkpoint();
	char command[2 * PATH_MAX];
	snprintf(command, sizeof command, "rm '%s'/data/checkpoint-*", books.dir);
	if (!checkpoints && system(command) != 0)
		FAIL("%s", command);
	copy_folder("data", as);
}

static void before_start(const char *saved, bool checkpoints)
{
	static const char *last; /* what the books are of */
	if (!folder_exists(saved) || last != saved)
		save_data(saved, checkpoints);
	last = saved;
	copy_folder(saved, "data");
}

static void before_start_from_checkpoint(void)
{
	before_start("saved-with", true);
}

static void before_start_by_replay(void)
{
	before_start("saved-without", false);
}

static int start(void)
{
	struct error err;
	return books_open(&err);
}

static void after_start(int code)
{
	if (code != 0)
		books_open_well();
	check_values("a start");
	books_check(false);
	books_close();
}

/* ---- sealing: the journal alone, so that nobody else takes memory ---- */

static struct journal *journal;
static uint64_t journal_frames;

static void on_commit(void *ctx, struct journal_group *g)
{
	(void)ctx, (void)g;
	FAIL("nothing was committed");
}

static int open_journal(void)
{
	char path[PATH_MAX];
	struct error err = {0};
	struct journal_recovery found;
	books_path(path, "data/journal");
	const struct journal_options options = {.dir = path,
	                                        .segment_bytes = 1 << 20,
	                                        .retention_bytes = UINT64_MAX,
	                                        .zstd_level = 1,
	                                        .on_commit = on_commit};
	journal = journal_open(&options, &found, &err);
	WANT(journal != NULL || (err.code < 0 && err.text[0] != '\0'));
	return journal == NULL ? err.code : 0;
}

static struct journal_stats journal_figures(void)
{
	struct journal_stats s;
	journal_stats(journal, &s);
	return s;
}

static int count_frame(void *ctx, const struct frame *f)
{
	uint64_t *n = ctx;
	WANT(f->seq == *n + 1);
	*n = f->seq;
	return 0;
}

/* Three segments that were not sealed, since none could be mapped. */
static void save_journal(void)
{
	begin(every_metric);
	send_few();
	fault_set(FAULT_MMAP, 1, true, ENOMEM);
	books.pad = BIG_PAD;
	books_fill(FEW, FEW + MANY);
	books.pad = SMALL_PAD;
	WANT(books_count(REFUSED) == 0);
	journal_frames = (uint64_t)books_figure("moongate_frames_applied_total");
	books_close();
	fault_set(FAULT_MMAP, 0, false, 0);
	copy_folder("data", "saved-journal");
}

static void before_seal(void)
{
	if (!folder_exists("saved-journal"))
		save_journal();
	copy_folder("saved-journal", "data");
}

static uint64_t strike; /* hits of malloc at which the fault strikes */

static int seal(void)
{
	struct error err = {0};
	int code = open_journal();
	if (code == 0)
		code = journal_start(journal, &err);
	WANT(code == 0 || journal == NULL || err.text[0] != '\0');
	if (code == 0)
		WAIT_FOR(journal_figures().segments == 1 || fault_hits(FAULT_MALLOC) >= strike);
	journal_close(journal);
	return code;
}

static void after_seal(int code)
{
	struct error err = {0};
	uint64_t frames = 0;
	(void)code;
	WANT(open_journal() == 0 && journal_start(journal, &err) == 0);
	WAIT_FOR(journal_figures().segments == 1);
	WANT(journal_figures().damaged_frames == 0);
	journal_close(journal);
	WANT(open_journal() == 0);
	WANT(journal_replay(journal, 0, 0, count_frame, &frames, &err) == 0);
	WANT(frames == journal_frames);
	journal_close(journal);
}

/* ---- files: the configuration, the bundle of scripts ---- */

static int configure(void)
{
	struct config c = {0};
	struct error err = {0};
	int code = config_init(&c);
	if (code == 0) {
		code = config_read(&c, SOURCE_ROOT "/conf/moongate.lua", &err);
		WANT(code == 0 || (err.code == code && err.text[0] != '\0'));
		WANT(code != 0 || config_check(&c, &err) == 0);
	}
	config_deinit(&c);
	return code;
}

static void after_configure(int code)
{
	(void)code;
	WANT(configure() == 0);
}

static int bundle(void)
{
	struct script_bundle *read = NULL, *loaded = NULL;
	struct buf saved = {0};
	struct error err = {0};
	int code = script_bundle_read(SOURCE_ROOT "/scripts", SOURCE_ROOT "/plugins", SOURCE_ROOT "/conf", &read, &err);
	WANT(code == 0 || (err.code == code && err.text[0] != '\0'));
	if (code == 0)
		code = script_bundle_save(read, &saved);
	if (code == 0)
		code = script_bundle_load(buf_slice(&saved), &loaded, &err);
	WANT(code != 0 || (loaded->hash == read->hash && loaded->count == read->count && read->count > 3));
	script_bundle_free(read);
	script_bundle_free(loaded);
	buf_free(&saved);
	return code;
}

static void after_bundle(int code)
{
	(void)code;
	WANT(bundle() == 0);
}

/* ---- requests ---- */

static struct api *api;
static char bodies[2][4096];
static size_t body_len[2];
static const char *const encodings[2] = {"identity", "gzip"};

/* An entry's events as NDJSON. */
static size_t write_events(char *to, size_t size, uint32_t n)
{
	size_t at = 0;
	for (uint32_t i = 0; i < EVENTS; i++)
		at += (size_t)snprintf(to + at, size - at,
		                       "{\"type\":\"tick\",\"id\":\"e%u-%u\",\"entry\":\"%u\",\"text\":\"\\u00e9\"}\n",
		                       n, i, n);
	return at;
}

static void before_talk(void)
{
	char text[4096];
	z_stream z = {0};
	begin(states);
	for (uint32_t n = 0; n < FEW; n++) {
		batch_free(books.entries[n].submission.batch);
		books.entries[n].submission.batch = NULL;
	}
	body_len[0] = write_events(bodies[0], sizeof bodies[0], 0);
	size_t len = write_events(text, sizeof text, 1);
	WANT(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	z.next_in = (Bytef *)text;
	z.avail_in = (uInt)len;
	z.next_out = (Bytef *)bodies[1];
	z.avail_out = sizeof bodies[1];
	WANT(deflate(&z, Z_FINISH) == Z_STREAM_END);
	body_len[1] = z.total_out;
	deflateEnd(&z);
}

static int start_api(void)
{
	struct error err = {0};
	api = api_new(&books.config, books.engine, NULL, NULL, &err);
	int code = api != NULL ? api_start(api, &err) : err.code;
	WANT(code == 0 || (code < 0 && err.text[0] != '\0'));
	return code;
}

static void stop_api(void)
{
	if (api != NULL)
		api_stop(api);
	api_free(api);
	api = NULL;
}

/* What is wanted, or 503, or no answer at all. */
static bool ask(int want, const char *head, const char *body, size_t len)
{
	uint16_t port = (uint16_t)atoi(strrchr(api_address(api), ':') + 1);
	int status = talk(port, head, body, len);
	if (status != want && status != 503 && status != 0)
		FAIL("an answer of status %d, wanted %d, to %.40s", status, want, head);
	return status == want;
}

static bool post(int n)
{
	char head[256];
	snprintf(head, sizeof head,
	         "POST /v1/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Encoding: %s\r\nContent-Length: "
	         "%zu\r\n\r\n",
	         encodings[n], body_len[n]);
	return ask(200, head, bodies[n], body_len[n]);
}

static bool get(const char *path)
{
	char head[256];
	snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n",
	         path);
	return ask(200, head, "", 0);
}

static bool reload(void)
{
	return ask(200, "POST /-/reload HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "", 0);
}

/* up of the second 1970 began with, as a Snappy block of one literal. */
static bool write_sample(void)
{
	static const char block[] =
	    "\x20\x7c\x0a\x1e\x0a\x0e\x0a\x08__name__\x12\x02up\x12\x0c\x09\0\0\0\0\0\0\xf0\x3f\x10\xe8\x07";
	return ask(
	    204,
	    "POST /api/v1/write HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/x-protobuf\r\n"
	    "Content-Length: 34\r\n\r\n",
	    block, sizeof block - 1);
}

/* The second line says another value than the first: it is refused, with its reason. */
static bool import(void)
{
	static const char text[] = "up 1 1000\nup 2 1000\n";
	return ask(400,
	           "POST /api/v1/import/prometheus?extra_label=job=a%62 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
	           "Content-Length: 20\r\n\r\n",
	           text, sizeof text - 1);
}

static int converse(void)
{
	int code = start_api();
	if (code != 0)
		return code;
	bool all = reload(); /* first: it forgets which calls were cut off */
	all = post(0) && all;
	all = post(1) && all;
	all = write_sample() && all;
	all = import() && all;
	all = get("/metrics") && all;
	all = get("/health") && all;
	all = get("/-/ready") && all;
	all = ask(404, "GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "", 0) && all;
	return all ? 0 : -ENOMEM;
}

static void after_talk(int code)
{
	(void)code;
	bool cut = was_cut();
	stop_api();
	WANT(start_api() == 0);
	for (uint32_t n = 0; n < 2; n++) {
		WAIT_FOR(post((int)n));
		books.entries[n].counted = EVENTS;
	}
	WANT(write_sample() && import());
	WANT(reload() && get("/metrics") && get("/health"));
	stop_api();
	if (!cut)
		books_check(false);
	check_replay();
	books_close();
}

/* ---- all of them ---- */

static const struct scenario scenarios[] = {
    {"events as JSON", NULL, decode, after_decode, 100, false},
    {"a submission to every metric", before_submit, send_few, after_all, 12, false},
    {"a submission through filters", before_filter, send_few, after_all, 8, false},
    {"a submission to states", before_state, send_few, after_all, 8, false},
    {"a reload", before_reload, books_reload, after_reload, 12, false},
    {"a view", before_view, view, after_all, 6, false},
    {"a checkpoint", before_view, stop, after_stop, 6, false},
    {"a start from a checkpoint", before_start_from_checkpoint, start, after_start, 20, false},
    {"a start by replay", before_start_by_replay, start, after_start, 20, false},
    {"sealing", before_seal, seal, after_seal, 6, false},
    {"the configuration", NULL, configure, after_configure, 100, false},
    {"the scripts' files", NULL, bundle, after_bundle, 60, false},
    {"requests", before_talk, converse, after_talk, 12, true},
};

enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

/* One run. How often memory was asked for while the fault was on. */
static uint64_t run(const struct scenario *s, uint64_t nth, bool always)
{
	snprintf(books_case, sizeof books_case, "%s, allocation %llu fails %s", s->name, (unsigned long long)nth,
	         always ? "and all behind it" : "once");
	if (s->before != NULL)
		s->before();
	uint64_t began = fault_hits(FAULT_MALLOC);
	strike = nth > UINT64_MAX - began ? UINT64_MAX : began + nth;
	fault_set(FAULT_MALLOC, nth, always, ENOMEM);
	int code = s->act();
	fault_set(FAULT_MALLOC, 0, false, 0);
	uint64_t hits = fault_hits(FAULT_MALLOC) - began;
	if (code != 0 && (code != -ENOMEM || hits < nth))
		FAIL("it ended with %d (%s) at allocation %llu", code, strerror(-code), (unsigned long long)hits);
	s->after(code);
	return hits;
}

/* Every N until one is not reached. How many were. */
static uint64_t run_all(const struct scenario *s)
{
	uint64_t runs = 0;
	for (uint64_t nth = 1; run(s, nth, false) >= nth; nth++) {
		runs++;
		if (!s->once)
			runs += run(s, nth, true) >= nth;
	}
	return runs;
}

/* Some of them, spread over all. */
static uint64_t run_some(const struct scenario *s)
{
	uint64_t hits = run(s, UINT64_MAX, false), runs = 0;
	uint64_t step = hits > s->short_runs ? hits / s->short_runs : 1;
	for (uint64_t nth = 1 + (step - 1) / 2; nth <= hits; nth += step)
		runs += run(s, nth, runs % 2 == 1 && !s->once) >= nth;
	return runs;
}

int main(int argc, char **argv)
{
	uint64_t runs = 0;
	fault_clear();
	books_init(&row, every_metric, SMALL_PAD);
	free(books.config.listen);
	books.config.listen = strdup("127.0.0.1:0");
	books.config.threads = 1;
	for (int i = 0; i < SCENARIOS; i++) {
		if (argc > 1 && strstr(scenarios[i].name, argv[1]) == NULL)
			continue;
		int64_t began = clock_mono_ns();
		uint64_t n = row_long() ? run_all(&scenarios[i]) : run_some(&scenarios[i]);
		if (argc > 1)
			fprintf(stderr, "%s: %llu runs, %.1f s\n", scenarios[i].name, (unsigned long long)n,
			        (double)(clock_mono_ns() - began) / 1e9);
		runs += n;
	}
	free(value_text);
	books_deinit();
	/* libuv's workers end, and free what they keep. A leak detector knows threads by the system's numbers, and after some ten thousand engines those
	 * have come round: it takes living threads for dead ones, and what they hold for lost. */
	uv_library_shutdown();
	return row_held(&row, "%d scenarios, %llu failing allocations: no crash, books exact", SCENARIOS,
	                (unsigned long long)runs);
}
