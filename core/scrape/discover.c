/* See discover.h. Files are compared by what is in them, not by their times: they are small, and a time tells neither of two changes in one tick nor of a file that was put back. What a file said when it was
 * last well is kept as its text, and read again when targets are made. */
#include "scrape/discover.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

enum { FILES_MAX = 1000, TEXTS_BYTES_MAX = 16 << 20, PATH_BYTES_MAX = 1024 };

/* What the log says of something that is not well: once, and again when it is not well for another reason, but not more often than this. */
#define COMPLAIN_EVERY_NS (60 * NS_PER_S)

struct complaint {
	uint64_t why;    /* hash of the reason that was said; 0: it is well */
	int64_t said_ns; /* monotonic */
};

struct source {
	const struct config_scrape *job;
	char *path;
	struct buf text; /* as it was last well */
	uint64_t seen;   /* hash of that */
	struct complaint complaint;
	bool read;   /* once */
	bool broken; /* now */
	bool there;  /* in this look */
};

struct discovery {
	const struct config *config;
	struct source *sources;
	uint32_t count;
	size_t cap;
	size_t text_bytes;
	struct complaint *folders; /* owned: of each job's patterns, one behind the other */
	struct complaint full, memory;
	bool looked;
	bool changed;               /* in this look */
	bool was_full, was_starved; /* likewise */
};

/* Is there something to be said? */
static bool complains(struct complaint *c, const char *why)
{
	uint64_t hash = hash_bytes(why, strlen(why), 0) | 1;
	int64_t now = clock_mono_ns();

	if (c->why == hash || (c->why != 0 && now - c->said_ns < COMPLAIN_EVERY_NS))
		return false;
	*c = (struct complaint){hash, now};
	return true;
}

static void is_well(struct complaint *c)
{
	c->why = 0;
}

struct discovery *discovery_new(const struct config *config)
{
	struct discovery *d = mem_zalloc(1, sizeof *d);
	size_t patterns = 1;

	for (uint32_t i = 0; i < config->scrape_count; i++)
		patterns += config->scrapes[i].files.count;
	if (d != NULL)
		d->folders = mem_zalloc(patterns, sizeof *d->folders);
	if (d == NULL || d->folders == NULL) {
		mem_free(d);
		return NULL;
	}
	d->config = config;
	return d;
}

static void free_source(struct discovery *d, struct source *s)
{
	d->text_bytes -= s->text.len;
	buf_free(&s->text);
	mem_free(s->path);
}

void discovery_free(struct discovery *d)
{
	if (d == NULL)
		return;
	for (uint32_t i = 0; i < d->count; i++)
		free_source(d, &d->sources[i]);
	mem_free(d->sources);
	mem_free(d->folders);
	mem_free(d);
}

int64_t discovery_every_ns(const struct discovery *d)
{
	int64_t every = INT64_MAX;

	for (uint32_t i = 0; i < d->config->scrape_count; i++) {
		const struct config_scrape *job = &d->config->scrapes[i];
		if (job->files.count > 0 && job->interval_ns < every)
			every = job->interval_ns;
	}
	return every;
}

/* ---- looking ---- */

static int drop_target(void *ctx, const char *address, const struct target_file_label *labels, uint32_t label_count,
                       struct error *err)
{
	struct target *t = target_new(ctx, address, labels, label_count, err);

	target_free(t);
	return t != NULL ? 0 : err->code;
}

static void complain(struct source *s, const char *why)
{
	if (complains(&s->complaint, why))
		LOG(LOG_ERROR, "a file of targets is broken, its targets stay as they were", log_str("file", s->path),
		    log_str("job", s->job->job), log_str("error", why));
	s->read = true;
	s->broken = true;
}

/* Takes a new text when targets can be made of all of it. */
static void take_text(struct discovery *d, struct source *s, struct buf *text)
{
	struct error err = {0};
	uint64_t seen = hash_bytes(text->ptr, text->len, 0);

	if (s->read && !s->broken && s->seen == seen)
		return;
	if (d->text_bytes - s->text.len + text->len > TEXTS_BYTES_MAX) {
		complain(s, "all files of targets together have more than 16 MiB");
		return;
	}
	if (target_file_read(buf_slice(text), drop_target, (void *)s->job, &err) != 0) {
		complain(s, err.text);
		return;
	}
	is_well(&s->complaint);
	s->read = true;
	s->broken = false;
	s->seen = seen;
	d->text_bytes = d->text_bytes - s->text.len + text->len;
	buf_free(&s->text);
	s->text = *text;
	*text = (struct buf){0};
	d->changed = true;
}

static struct source *find_source(struct discovery *d, const struct config_scrape *job, const char *path)
{
	for (uint32_t i = 0; i < d->count; i++) {
		if (d->sources[i].job == job && strcmp(d->sources[i].path, path) == 0)
			return &d->sources[i];
	}
	if (d->count == FILES_MAX) {
		if (complains(&d->full, "full"))
			LOG(LOG_ERROR, "there are too many files of targets", log_str("file", path),
			    log_int("max", FILES_MAX));
		d->was_full = true;
		return NULL;
	}
	bool room = d->count < d->cap || mem_grow((void **)&d->sources, &d->cap, d->count, sizeof *d->sources) == 0;
	char *copy = room ? mem_strndup(path, strlen(path)) : NULL;
	if (copy == NULL) {
		if (complains(&d->memory, "memory"))
			LOG(LOG_ERROR, "no memory for a file of targets, it is looked at again later",
			    log_str("file", path));
		d->was_starved = true;
		return NULL;
	}
	d->sources[d->count] = (struct source){.job = job, .path = copy};
	return &d->sources[d->count++];
}

static void look_at(struct discovery *d, const struct config_scrape *job, const char *path)
{
	struct source *s = find_source(d, job, path);
	struct buf text = {0};
	struct error err = {0};

	if (s == NULL)
		return;
	s->there = true;
	if (file_read_all(path, TARGET_FILE_BYTES_MAX, &text, &err) == 0)
		take_text(d, s, &text);
	else if (err.code != -ENOENT)
		complain(s, err.text);
	else
		s->there = false; /* it went while we looked */
	buf_free(&text);
}

/* The files of a folder whose names match. */
struct match {
	struct discovery *d;
	const struct config_scrape *job;
	const char *pattern; /* of the name */
	const char *folder;
};

static int look_if_matching(void *ctx, const char *name)
{
	const struct match *m = ctx;
	char path[PATH_BYTES_MAX];

	if (fnmatch(m->pattern, name, FNM_PERIOD) != 0)
		return 0;
	int len = snprintf(path, sizeof path, "%s/%s", m->folder, name);
	if (len > 0 && (size_t)len < sizeof path)
		look_at(m->d, m->job, path);
	return 0;
}

/* The folder cannot be listed, which does not say that its files have gone. */
static void keep_all(struct discovery *d, const struct config_scrape *job, struct complaint *c, const struct error *err)
{
	if (complains(c, err->text))
		LOG(LOG_ERROR, "files of targets cannot be looked for", log_str("job", job->job),
		    log_str("error", err->text));
	for (uint32_t i = 0; i < d->count; i++)
		d->sources[i].there |= d->sources[i].job == job;
}

/* A folder that is not there has no files. */
static void look_for(struct discovery *d, const struct config_scrape *job, const char *path, struct complaint *c)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_BYTES_MAX];

	if (strpbrk(path, "*?[") == NULL) {
		look_at(d, job, path);
		return;
	}
	snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash - path) : 1,
	         slash == NULL   ? "."
	         : slash == path ? "/"
	                         : path);
	struct match m = {d, job, slash != NULL ? slash + 1 : path, folder};
	struct error err = {0};
	int code = file_list(folder, look_if_matching, &m, &err);
	if (code != 0 && code != -ENOENT)
		keep_all(d, job, c, &err);
	else
		is_well(c);
}

/* Those that are not there any more have no targets. */
static void forget_missing(struct discovery *d)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < d->count; i++) {
		if (d->sources[i].there) {
			d->sources[kept++] = d->sources[i];
			continue;
		}
		d->changed |= d->sources[i].text.len > 0;
		free_source(d, &d->sources[i]);
	}
	d->count = kept;
}

bool discovery_look(struct discovery *d)
{
	struct complaint *folder = d->folders;

	d->changed = !d->looked;
	d->looked = true;
	d->was_full = d->was_starved = false;
	for (uint32_t i = 0; i < d->count; i++)
		d->sources[i].there = false;
	for (uint32_t i = 0; i < d->config->scrape_count; i++) {
		const struct config_scrape *job = &d->config->scrapes[i];
		for (uint32_t k = 0; k < job->files.count; k++)
			look_for(d, job, job->files.items[k], folder++);
	}
	if (!d->was_full)
		is_well(&d->full);
	if (!d->was_starved)
		is_well(&d->memory);
	forget_missing(d);
	return d->changed;
}

/* ---- making targets ---- */

struct making {
	const struct config_scrape *job;
	int (*found)(void *ctx, struct target *t);
	void *ctx;
};

static int make_target(void *ctx, const char *address, const struct target_file_label *labels, uint32_t label_count,
                       struct error *err)
{
	const struct making *m = ctx;
	struct target *t = target_new(m->job, address, labels, label_count, err);

	return t != NULL ? m->found(m->ctx, t) : err->code;
}

int discovery_each(struct discovery *d, int (*found)(void *ctx, struct target *t), void *ctx, struct error *err)
{
	int code = 0;

	for (uint32_t i = 0; i < d->config->scrape_count && code == 0; i++) {
		const struct config_scrape *job = &d->config->scrapes[i];
		struct making m = {job, found, ctx};
		for (uint32_t k = 0; k < job->targets.count && code == 0; k++)
			code = make_target(&m, job->targets.items[k], NULL, 0, err);
		if (code == -EINVAL)
			error_prefix(err, "scrape: job %s", job->job);
	}
	for (uint32_t i = 0; i < d->count && code == 0; i++) {
		struct making m = {d->sources[i].job, found, ctx};
		if (d->sources[i].text.len > 0)
			code = target_file_read(buf_slice(&d->sources[i].text), make_target, &m, err);
	}
	return code;
}

uint32_t discovery_files(const struct discovery *d)
{
	return d->count;
}

uint32_t discovery_broken(const struct discovery *d)
{
	uint32_t broken = 0;

	for (uint32_t i = 0; i < d->count; i++)
		broken += d->sources[i].broken;
	return broken;
}
