/* Checkpoints (FORMAT.md): cut on the engine thread between two frames, written by the worker. The cut copies what changes and shares what
 * does not, so that the writer is held up for copying values only. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"

#define MAGIC SLICE("MOONCKPT")
#define NAME_PREFIX "checkpoint-"
#define DAMAGED_NAME "checkpoint.damaged"

enum {
	VERSION = 3,
	VERSION_WITHOUT_TRACES = 2,
	VERSION_WITHOUT_HISTORY = 1,
	HEAD_BYTES = 16, /* magic, version, checksum */
	SCRIPTS_MAX = 4096
};

/* Reloads one after another must not each cost a write of the whole state, beside which the journal's syncs wait. */
#define CHECKPOINT_APART_NS (10 * NS_PER_S)

#define CHECKPOINT_BYTES_MAX (UINT64_C(8) << 30)

struct checkpoint_cut {
	struct journal *journal; /* whose frames it contains */
	struct metrics_snapshot *metrics;
	struct tsdb *store;
	struct tsdb_cut *history;
	struct buf sections[SECTIONS]; /* all but metrics, which is encoded when it is written */
	uint64_t seq;
	uint64_t before; /* the newest durable one, which is kept beside it */
	int64_t now_ns;
	char *dir;
};

void checkpoint_cut_free(struct checkpoint_cut *c)
{
	if (c == NULL)
		return;
	metrics_snapshot_unref(c->metrics);
	tsdb_cut_free(c->history);
	for (int i = 0; i < SECTIONS; i++)
		buf_free(&c->sections[i]);
	mem_free(c->dir);
	mem_free(c);
}

uint64_t checkpoint_cut_seq(const struct checkpoint_cut *c)
{
	return c->seq;
}

static int save_quarantine(const struct engine *e, struct buf *out)
{
	uint32_t count = e->set != NULL ? script_set_stats(e->set, NULL, 0) : 0;
	if (count == 0)
		return 0;
	struct script_stats *stats = mem_zalloc(count, sizeof *stats);
	if (stats == NULL)
		return -ENOMEM;
	script_set_stats(e->set, stats, count);
	for (uint32_t i = 0; i < count; i++) {
		if (!stats[i].quarantined)
			continue;
		bytes_put_slice(out, stats[i].script);
		bytes_put_slice(out, stats[i].reason);
	}
	mem_free(stats);
	return buf_failed(out) ? -ENOMEM : 0;
}

/* NULL: why in *code. */
static struct checkpoint_cut *cut_take(struct engine *e, int *code)
{
	CHECK(!ticker_pending(e->ticker)); /* a replay from here does not come to that tick again */
	struct checkpoint_cut *c = mem_zalloc(1, sizeof *c);
	*code = -ENOMEM;
	if (c == NULL)
		return NULL;
	c->journal = e->journal;
	c->seq = e->applied_seq;
	c->before = e->checkpoint_seq;
	c->now_ns = e->applied_ns;
	c->dir = mem_strndup(e->data_dir, strlen(e->data_dir));
	/* With what the last tick saw and the next one will not: a start ends it (tick.h). */
	c->metrics = registry_snapshot_at(e->registry, ticker_last(e->ticker, e->applied_ns));
	c->store = e->store;
	bool ok = c->dir != NULL && c->metrics != NULL;
	if (ok) {
		c->history = tsdb_cut(e->store, code);
		ok = c->history != NULL;
	}
	if (ok)
		*code = -ENOMEM; /* so all that follows fails */
	if (ok && e->bundle != NULL)
		ok = script_bundle_save(e->bundle, &c->sections[SECTION_SCRIPTS]) == 0;
	ok = ok && save_quarantine(e, &c->sections[SECTION_QUARANTINE]) == 0;
	ok = ok && script_state_save(e->host, &c->sections[SECTION_STATES]) == 0;
	ok = ok && traces_save_section(e, &c->sections[SECTION_TRACES]) == 0;
	if (ok)
		return c;
	checkpoint_cut_free(c);
	return NULL;
}

static void path_of(char out[512], const char *dir, uint64_t seq)
{
	snprintf(out, 512, "%s/" NAME_PREFIX "%020" PRIu64, dir, seq);
}

static int encode(struct checkpoint_cut *c, struct buf *out)
{
	buf_slice_append(out, MAGIC);
	bytes_put_u32(out, VERSION);
	bytes_put_u32(out, 0);
	bytes_put_u64(out, c->seq);
	bytes_put_u64(out, (uint64_t)c->now_ns);
	int code = metrics_snapshot_save(c->metrics, &c->sections[SECTION_METRICS]);
	if (code != 0)
		return code;
	code = tsdb_cut_extras(c->history, &c->sections[SECTION_EXTRAS]);
	if (code != 0)
		return code;
	for (uint32_t tag = 1; tag < SECTIONS; tag++) {
		bytes_put_u32(out, tag);
		bytes_put_u64(out, c->sections[tag].len);
		buf_slice_append(out, buf_slice(&c->sections[tag]));
		buf_free(&c->sections[tag]);
	}
	if (buf_failed(out))
		return -ENOMEM;
	uint32_t crc = crc32c(0, out->ptr + HEAD_BYTES, out->len - HEAD_BYTES);
	for (int i = 0; i < 4; i++)
		out->ptr[12 + i] = (char)(crc >> (8 * i));
	return 0;
}

struct seqs {
	const char *dir;
	uint64_t *items;
	size_t count, cap;
};

/* Collects the numbers of the checkpoints of a directory, in rising order as file_list sorts names. What a process that was killed left half written
 * goes. */
static int collect(void *ctx, const char *name)
{
	struct seqs *s = ctx;
	size_t prefix = strlen(NAME_PREFIX);
	if (strncmp(name, NAME_PREFIX, prefix) != 0 || strlen(name) < prefix + 20)
		return 0;
	char *end;
	uint64_t seq = strtoull(name + prefix, &end, 10);
	if (strcmp(end, ".tmp") == 0) {
		char path[512];
		snprintf(path, sizeof path, "%s/%s", s->dir, name);
		int code = file_unlink(path);
		if (code != 0)
			LOG(LOG_WARN, "half a checkpoint could not be removed", log_str("path", path),
			    log_str("error", strerror(-code)));
		return 0;
	}
	if (*end != '\0' || end != name + prefix + 20)
		return 0;
	if (s->count == s->cap && mem_grow((void **)&s->items, &s->cap, s->count, sizeof *s->items) != 0)
		return -ENOMEM;
	s->items[s->count++] = seq;
	return 0;
}

static bool is_kept(const void *ctx, uint64_t seq)
{
	const struct checkpoint_cut *c = ctx;
	return seq == c->seq || seq == c->before;
}

/* Two are kept: the new one, and that which is good if the new one is damaged. */
static void remove_others(const struct checkpoint_cut *c)
{
	struct seqs s = {.dir = c->dir};
	struct error err = {0};
	if (file_list(c->dir, collect, &s, &err) != 0)
		LOG(LOG_WARN, "old checkpoints could not be looked for", log_str("error", err.text));
	for (size_t i = 0; i < s.count; i++) {
		char path[512];
		if (is_kept(c, s.items[i]))
			continue;
		path_of(path, c->dir, s.items[i]);
		int code = file_unlink(path);
		if (code != 0)
			LOG(LOG_WARN, "an old checkpoint could not be removed", log_str("path", path),
			    log_int("code", code));
	}
	mem_free(s.items);
	history_clean(c->store, c->dir, is_kept, c);
}

/* The head goes into a file of its own, which is there before the checkpoint that speaks of it. One of this name is what an attempt that failed has left. */
static int write_history(struct checkpoint_cut *c, struct error *err)
{
	char name[64];
	history_name(name, c->seq);
	int code = tsdb_cut_remove(c->store, name);
	if (code != 0 && code != -ENOENT)
		return error_set(err, code, "%s of an earlier attempt cannot be removed: %s", name, strerror(-code));
	return tsdb_cut_write(c->history, name, err);
}

int checkpoint_cut_write(struct checkpoint_cut *c, struct error *err)
{
	struct buf b = {0};
	int code = journal_sync(c->journal, c->seq);
	if (code != 0)
		return error_set(err, code, "the frames that a checkpoint contains are not synced: %s",
		                 strerror(-code));
	code = write_history(c, err);
	if (code != 0)
		return code;
	code = encode(c, &b);
	if (code != 0) {
		error_set(err, code, "out of memory for a checkpoint");
	} else {
		char path[512];
		path_of(path, c->dir, c->seq);
		code = file_write_atomic(path, b.ptr, b.len, err);
	}
	buf_free(&b);
	if (code == 0)
		remove_others(c);
	return code;
}

void checkpoint_soon(struct engine *e)
{
	int64_t soon = e->checkpoint_begun_ns == 0 ? 0 : e->checkpoint_begun_ns + CHECKPOINT_APART_NS;
	if (soon < e->checkpoint_due_ns)
		e->checkpoint_due_ns = soon;
}

/* Retention removes what lies before the older of two checkpoints. In a gateway where nothing happens any more that would be never. */
bool checkpoint_is_owed(const struct engine *e)
{
	return !e->checkpointing && e->applied_seq == e->checkpoint_seq && e->floor_seq < e->content_seq;
}

/* One that stands in for a lost control record is tried again soon, and soon followed by another: were it damaged, the one before would be replayed from. Each attempt copies the
 * state, which those who send would feel where none succeeds: on a full disk, say. So what fails again and again waits twice as long each time. */
static int64_t pause_ns(const struct engine *e)
{
	enum { DOUBLINGS_MAX = 20 };
	uint32_t doublings = e->checkpoints_failed < DOUBLINGS_MAX ? e->checkpoints_failed : DOUBLINGS_MAX;
	int64_t retry = RETRY_MS * NS_PER_MS << doublings;
	return e->owed_seq != 0 && retry < e->config->journal.checkpoint_ns ? retry : e->config->journal.checkpoint_ns;
}

void checkpoint_owe(struct engine *e)
{
	e->owed_seq = e->applied_seq;
	int64_t due = e->checkpoints_failed == 0 ? 0 : e->checkpoint_begun_ns + pause_ns(e);
	if (due < e->checkpoint_due_ns)
		e->checkpoint_due_ns = due;
}

static void count_failure(struct engine *e)
{
	e->counters.checkpoint_failures++;
	e->checkpoints_failed++;
	if (e->owed_seq != 0)
		e->checkpoint_due_ns = e->checkpoint_begun_ns + pause_ns(e);
}

void checkpoint_begin(struct engine *e)
{
	e->sample_bytes = 0;
	e->checkpoint_begun_ns = clock_mono_ns();
	e->checkpoint_due_ns = e->checkpoint_begun_ns + pause_ns(e);
	int code;
	struct checkpoint_cut *c = cut_take(e, &code);
	if (c != NULL)
		code = worker_checkpoint(e->worker, c);
	if (code != 0) {
		checkpoint_cut_free(c);
		count_failure(e);
		LOG(LOG_WARN, "a checkpoint could not be begun", log_str("error", strerror(-code)));
		return;
	}
	e->checkpointing = true;
}

/* A checkpoint covers the frame of a stuck script: the note about it has done its duty. */
static void forget_stuck(struct engine *e)
{
	if (e->stuck_seq != 0 && e->checkpoint_seq >= e->stuck_seq && file_unlink(e->backstop_path) == 0)
		e->stuck_seq = 0;
}

void checkpoint_done(struct engine *e, uint64_t seq, int status)
{
	e->checkpointing = false;
	if (status != 0) {
		count_failure(e);
		return;
	}
	e->counters.checkpoints++;
	e->checkpoints_failed = 0;
	if (e->owed_seq <= seq)
		e->owed_seq = 0;
	/* What lies between the two is kept: should the new one turn out damaged, it is built again from the one before. */
	e->floor_seq = e->checkpoint_seq;
	journal_set_floor(e->journal, e->floor_seq);
	e->checkpoint_seq = seq;
	forget_stuck(e);
}

int checkpoint_write_now(struct engine *e, struct error *err)
{
	int code = apply_tick_end(e);
	struct checkpoint_cut *c = code == 0 ? cut_take(e, &code) : NULL;
	if (c == NULL)
		return error_set(err, code, "a checkpoint could not be begun: %s", strerror(-code));
	code = checkpoint_cut_write(c, err);
	if (code == 0)
		checkpoint_done(e, c->seq, 0);
	checkpoint_cut_free(c);
	return code;
}

/* ---- reading ---- */

int checkpoint_parse(struct slice bytes, struct checkpoint_parts *out, struct error *err)
{
	struct slice magic = {0};
	uint32_t version = 0, crc = 0;
	if (!bytes_get_bytes(&bytes, MAGIC.len, &magic) || !slice_eq(magic, MAGIC) ||
	    !bytes_get_u32(&bytes, &version) || !bytes_get_u32(&bytes, &crc))
		return error_set(err, -EBADMSG, "it is no checkpoint: the magic number is missing");
	if (version < VERSION_WITHOUT_HISTORY || version > VERSION)
		return error_set(err, -EBADMSG, "its format version is %u, and this moongate reads versions %d to %d",
		                 version, VERSION_WITHOUT_HISTORY, VERSION);
	if (crc32c(0, bytes.ptr, bytes.len) != crc)
		return error_set(err, -EBADMSG, "its checksum does not match");
	uint64_t now = 0;
	if (!bytes_get_u64(&bytes, &out->seq) || !bytes_get_u64(&bytes, &now))
		return error_set(err, -EBADMSG, "it ends early");
	out->now_ns = (int64_t)now;
	out->has_history = version != VERSION_WITHOUT_HISTORY;
	out->has_traces = version == VERSION;
	unsigned seen = 0;
	while (bytes.len > 0) {
		uint32_t tag;
		uint64_t len;
		struct slice body;
		if (!bytes_get_u32(&bytes, &tag) || !bytes_get_u64(&bytes, &len) ||
		    !bytes_get_bytes(&bytes, len, &body))
			return error_set(err, -EBADMSG, "a section ends early");
		if (tag == 0 || tag >= SECTIONS || (seen & 1u << tag))
			return error_set(err, -EBADMSG, "section %u is unknown or there twice", tag);
		seen |= 1u << tag;
		out->sections[tag] = body;
	}
	uint32_t all = out->has_traces ? SECTIONS : out->has_history ? SECTION_TRACES : SECTION_EXTRAS;
	if (seen != (1u << all) - 2)
		return error_set(err, -EBADMSG, "a section is missing");
	return 0;
}

static int restore_scripts(struct engine *e, struct slice saved, struct slice quarantined, struct error *err)
{
	if (saved.len == 0)
		return 0;
	int code = script_bundle_load(saved, &e->bundle, err);
	if (code != 0)
		return code;
	code = script_set_load(e->host, e->bundle, &e->set, err);
	if (code == 0)
		code = script_set_bind(e->set, err);
	if (code != 0) {
		/* A newer moongate may refuse what an older one ran: the values are kept, the scripts on disk come in after recovery. With more memory they
		 * would load, though, and count what follows. */
		LOG(LOG_WARN, "the scripts of the checkpoint do not load any more", log_str("error", err->text));
		script_set_free(e->set);
		script_bundle_free(e->bundle);
		e->set = NULL;
		e->bundle = NULL;
		return code == -ENOMEM ? code : 0;
	}
	atomic_store(&e->scripts_loaded, true);
	while (quarantined.len > 0) {
		struct slice script, reason;
		if (!bytes_get_slice(&quarantined, &script) || !bytes_get_slice(&quarantined, &reason))
			return error_set(err, -EBADMSG, "its list of quarantined scripts ends early");
		script_set_quarantine(e->set, script, reason);
	}
	return 0;
}

static int load_one(struct engine *e, const char *path, struct error *err)
{
	struct buf b = {0};
	struct checkpoint_parts p = {0};
	int code = file_read_all(path, CHECKPOINT_BYTES_MAX, &b, err);
	if (code != 0)
		goto out;
	code = checkpoint_parse(buf_slice(&b), &p, err);
	if (code != 0)
		goto out;
	code = p.has_history ? history_load(e, &p, err) : 0;
	if (code == 0 && p.has_traces)
		code = traces_load_section(e, p.sections[SECTION_TRACES], err);
	if (code != 0)
		goto out;
	/* Last of what another checkpoint would load again: the registry has to be empty for it. */
	code = script_state_load(e->host, p.sections[SECTION_STATES], err);
	if (code == 0)
		code = registry_load(e->registry, p.sections[SECTION_METRICS], err);
	if (code != 0) {
		if (history_reopen(e, err) != 0)
			code = -ENOMEM;
		goto out;
	}
	registry_set_now(e->registry, p.now_ns);
	code = restore_scripts(e, p.sections[SECTION_SCRIPTS], p.sections[SECTION_QUARANTINE], err);
	if (code != 0)
		goto out;
	e->applied_seq = e->checkpoint_seq = e->content_seq = p.seq;
	e->applied_ns = e->now_ns = p.now_ns;
out:
	buf_free(&b);
	return code;
}

/* A damaged one is taken out of the row, so that it does not count as one that is kept; the last of them stays for people. */
static void set_aside(const struct engine *e, const char *path)
{
	char aside[512];
	snprintf(aside, sizeof aside, "%s/" DAMAGED_NAME, e->data_dir);
	int code = file_rename(path, aside);
	if (code != 0)
		LOG(LOG_WARN, "a damaged checkpoint could not be set aside", log_str("path", path),
		    log_str("error", strerror(-code)));
}

int checkpoint_load(struct engine *e, struct error *err)
{
	struct seqs s = {.dir = e->data_dir};
	int code = file_list(e->data_dir, collect, &s, err);
	if (code != 0 && err->code == 0)
		error_set(err, code, "%s: the checkpoints cannot be listed: %s", e->data_dir, strerror(-code));
	bool found = false;
	for (size_t i = s.count; code == 0 && !found && i-- > 0;) {
		char path[512];
		struct error why = {0};
		path_of(path, e->data_dir, s.items[i]);
		int one = load_one(e, path, &why);
		found = one == 0;
		/* One that cannot be read now may be read by the next start: going on without it would throw away what it alone has. */
		if (one != 0 && one != -EBADMSG)
			code = error_set(err, one, "%s: %s", path, one == -ENOMEM ? "out of memory" : why.text);
		if (one != -EBADMSG)
			continue;
		LOG(LOG_ERROR, "a checkpoint cannot be used", log_str("path", path), log_str("error", why.text));
		set_aside(e, path);
	}
	mem_free(s.items);
	return code != 0 ? code : found ? 0 : -ENOENT;
}
