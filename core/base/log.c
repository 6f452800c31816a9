/* moongate's own log.
 *
 * A line is formatted by the thread that logs, into a buffer of its own, and written under one lock: with one write(2)
 * where the output is a file, so that lines of several processes on one file do not mix either. Sampling comes before
 * formatting: a flood of one message costs a hash and a look-up a line.
 *
 * The log works before log_start (to stderr), without memory (a line from a fixed buffer) and when outputs fail
 * (log_lost counts). */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log_out.h"
#include "base/log_sample.h"
#include "base/mem.h"

enum { LEVELS = LOG_FATAL + 1, TEXT_MAX = 8192, BUFFER_KEEP = 65536 };

static const char *const level_names[LEVELS] = {"debug", "info", "warn", "error", "fatal"};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t buffer_key; /* frees a thread's buffer when it ends */
static _Thread_local struct buf buffer;

static int threshold = LOG_INFO; /* enum log_level; atomic */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* everything below */
static uint32_t sample_first = 100;
static uint32_t sample_then = 100;
static struct log_out console = {.fd = -1}; /* stdout, or stderr until log_start */
static struct log_out file = {.fd = -1};
static struct log_out errors = {.fd = -1};
static struct log_sample sample;
static uint64_t lines[LEVELS];
static uint64_t sampled;
static uint64_t lost;

static void free_buffer(void *at)
{
	buf_free(at);
}

/* Writing to a pipe whose reader is gone must be an error, not the end of the process. A handler that somebody set
 * stays. */
static void ignore_sigpipe(void)
{
	struct sigaction now;

	if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
}

static void lock_for_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void unlock_after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

static void prepare(void)
{
	/* Both fail only without memory at the first line: then threads keep their buffers, and a forked child may not
	 * log. */
	(void)pthread_key_create(&buffer_key, free_buffer);
	(void)pthread_atfork(lock_for_fork, unlock_after_fork, unlock_after_fork);
	ignore_sigpipe();
	log_out_fd(&console, STDERR_FILENO);
}

static void close_all(void)
{
	log_out_close(&console);
	log_out_close(&file);
	log_out_close(&errors);
}

int log_start(const struct log_options *options, struct error *err)
{
	struct log_out new_file = {.fd = -1};
	struct log_out new_errors = {.fd = -1};
	int rc = 0;

	pthread_once(&once, prepare);
	ignore_sigpipe();
	if (options->file != NULL)
		rc = log_out_open(&new_file, options->file, err);
	if (rc == 0 && options->errors_file != NULL)
		rc = log_out_open(&new_errors, options->errors_file, err);
	if (rc != 0) {
		log_out_close(&new_file);
		return rc;
	}
	pthread_mutex_lock(&lock);
	close_all();
	if (options->to_stdout)
		log_out_fd(&console, STDOUT_FILENO);
	file = new_file;
	errors = new_errors;
	sample_first = options->sample_first;
	sample_then = options->sample_then;
	__atomic_store_n(&threshold, (int)options->level, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&lock);
	return 0;
}

/* Opens the file of `o` again by its name. Without the lock while it does: opening meets fault points. */
static int reopen(struct log_out *o, struct error *err)
{
	char path[PATH_MAX] = "";
	struct log_out opened;

	pthread_mutex_lock(&lock);
	if (o->path != NULL)
		snprintf(path, sizeof path, "%s", o->path);
	pthread_mutex_unlock(&lock);
	if (path[0] == '\0')
		return 0;
	int rc = log_out_open(&opened, path, err);
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&lock);
	/* Unless another log_start came in between. */
	if (o->path != NULL && strcmp(o->path, path) == 0) {
		struct log_out old = *o;
		*o = opened;
		opened = old;
	}
	pthread_mutex_unlock(&lock);
	log_out_close(&opened);
	return 0;
}

void log_reopen(void)
{
	struct log_out *const both[] = {&file, &errors};

	for (int i = 0; i < 2; i++) {
		struct error err = {0};
		if (reopen(both[i], &err) != 0)
			LOG(LOG_ERROR, "log file not opened again, going on with the old one",
			    log_str("error", err.text));
	}
}

void log_stop(void)
{
	pthread_once(&once, prepare);
	pthread_mutex_lock(&lock);
	close_all();
	log_out_fd(&console, STDERR_FILENO);
	__atomic_store_n(&threshold, LOG_INFO, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&lock);
}

bool log_enabled(enum log_level level)
{
	return (int)level >= __atomic_load_n(&threshold, __ATOMIC_RELAXED);
}

/* Appends a text, cut between characters where it is too long. */
static void append_text(struct buf *b, struct slice s)
{
	if (s.len <= TEXT_MAX) {
		buf_json_string(b, s);
		return;
	}
	size_t len = TEXT_MAX;
	while (len > TEXT_MAX - 3 && ((unsigned char)s.ptr[len] & 0xc0) == 0x80)
		len--;
	buf_json_string(b, slice_new(s.ptr, len));
	if (buf_failed(b))
		return;
	b->len--;
	buf_str(b, "…\"");
}

static void append_field(struct buf *b, const struct log_field *f)
{
	buf_byte(b, ',');
	buf_json_string(b, slice_cstr(f->name));
	buf_byte(b, ':');
	switch (f->type) {
	case LOG_FIELD_STR:
		append_text(b, f->str);
		return;
	case LOG_FIELD_INT:
		buf_int(b, f->integer);
		return;
	case LOG_FIELD_NUM:
		buf_json_number(b, f->num);
		return;
	case LOG_FIELD_BOOL:
		buf_str(b, f->boolean ? "true" : "false");
		return;
	}
}

/* The line in the thread's buffer. */
static void format_line(struct buf *b, enum log_level level, struct slice msg, const struct log_field *fields,
                        uint32_t count, uint64_t missed)
{
	char time[32];

	buf_reset(b);
	buf_str(b, "{\"level\":\"");
	buf_str(b, level_names[level]);
	buf_str(b, "\",\"time\":\"");
	buf_append(b, time, (size_t)clock_format_rfc3339(clock_wall_ns(), time));
	buf_str(b, "\",\"msg\":");
	append_text(b, msg);
	for (uint32_t i = 0; i < count; i++)
		append_field(b, &fields[i]);
	if (missed != 0) {
		buf_str(b, ",\"sampled\":");
		buf_int(b, (int64_t)missed);
	}
	buf_str(b, "}\n");
}

/* What is written when there is no memory for the line. */
static struct slice emergency_line(char *text, size_t size, enum log_level level)
{
	char time[32];

	clock_format_rfc3339(clock_wall_ns(), time);
	int len = snprintf(text, size, "{\"level\":\"%s\",\"time\":\"%s\",\"msg\":\"log line lost: out of memory\"}\n",
	                   level_names[level], time);
	return slice_new(text, (size_t)len);
}

/* Says on stderr that an output takes no lines any more: once, until it takes one again. */
static void complain(const struct log_out *o, int code)
{
	char text[512];
	struct log_out out;

	int len = snprintf(text, sizeof text, "moongate: the log output %.300s loses lines: %s\n",
	                   o->path != NULL ? o->path : "stdout", strerror(-code));
	log_out_fd(&out, STDERR_FILENO);
	if (len > 0 && o->fd != STDERR_FILENO)
		log_out_write(&out, slice_new(text, (size_t)len));
}

static void write_to(struct log_out *o, struct slice line)
{
	if (o->fd < 0)
		return;
	int rc = log_out_write(o, line);
	lost += rc != 0;
	if (rc != 0 && !o->failing)
		complain(o, rc);
	o->failing = rc != 0;
}

/* Whether this line is one of those that are written. */
static bool take(enum log_level level, struct slice msg, uint64_t *missed)
{
	bool taken = true;

	pthread_mutex_lock(&lock);
	if (sample_first != 0) {
		uint64_t hash = hash_bytes(msg.ptr, msg.len, level);
		taken = log_sample_take(&sample, hash, clock_mono_ns() / NS_PER_S, sample_first, sample_then, missed);
	}
	sampled += !taken;
	pthread_mutex_unlock(&lock);
	return taken;
}

void log_write(enum log_level level, struct slice msg, const struct log_field *fields, uint32_t count)
{
	char emergency[160];
	uint64_t missed = 0;
	int saved = errno;

	if (!log_enabled(level))
		return;
	pthread_once(&once, prepare);
	if (!take(level, msg, &missed))
		return;
	if (buffer.ptr == NULL)
		pthread_setspecific(buffer_key, &buffer);
	format_line(&buffer, level, msg, fields, count, missed);
	struct slice line = buf_slice(&buffer);
	if (buf_failed(&buffer))
		line = emergency_line(emergency, sizeof emergency, level);

	pthread_mutex_lock(&lock);
	write_to(&console, line);
	write_to(&file, line);
	if (level >= LOG_WARN)
		write_to(&errors, line);
	lines[level]++;
	pthread_mutex_unlock(&lock);
	if (buffer.cap > BUFFER_KEEP)
		buf_free(&buffer);
	errno = saved;
}

uint64_t log_lines(enum log_level level)
{
	pthread_mutex_lock(&lock);
	uint64_t n = lines[level];
	pthread_mutex_unlock(&lock);
	return n;
}

uint64_t log_sampled(void)
{
	pthread_mutex_lock(&lock);
	uint64_t n = sampled;
	pthread_mutex_unlock(&lock);
	return n;
}

uint64_t log_lost(void)
{
	pthread_mutex_lock(&lock);
	uint64_t n = lost;
	pthread_mutex_unlock(&lock);
	return n;
}
