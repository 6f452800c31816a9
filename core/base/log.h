/* moongate's own log: JSON lines {"level":…,"time":…,"msg":…, fields…} to one or more outputs. Any thread. Lines of one
 * level and message are sampled: in each second the first 100, then every 100th, which says in "sampled" how many were
 * left out. warn, error and fatal lines also go to the errors' own file, where one is set. */
#ifndef MOONGATE_BASE_LOG_H
#define MOONGATE_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_FATAL };

enum log_field_type { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_NUM, LOG_FIELD_BOOL };

struct log_field {
	const char *name; /* a plain ASCII name */
	enum log_field_type type;
	union {
		struct slice str; /* any bytes: escaped on writing */
		int64_t integer;
		double num;
		bool boolean;
	};
};

struct log_options {
	enum log_level level;    /* lines below it are not written */
	bool to_stdout;          /* default true */
	const char *file;        /* NULL: none. Appended to; opened again by log_reopen */
	const char *errors_file; /* NULL: none. warn and above */
	uint32_t sample_first;   /* default 100; 0 switches sampling off */
	uint32_t sample_then;    /* default 100 */
};

/* Opens the outputs (closing those of an earlier call). 0, or a negative errno with a sentence and everything as it
 * was. Until it is called lines go to stderr at level info. SIGPIPE, where it has its default action, is ignored from
 * here (or from the first line) on. */
int log_start(const struct log_options *options, struct error *err);

/* Closes files and opens them again by name (log rotation). A file that cannot be opened stays the old one, with an
 * error line. */
void log_reopen(void);

/* Closes files; later lines go to stderr. Lines are written at once, so there is nothing to flush. */
void log_stop(void);

/* Whether a line of this level would be written at all. */
bool log_enabled(enum log_level level);

/* One line. `fields` may be NULL when count is 0. Texts of over 8 KiB are cut and end in "…". */
void log_write(enum log_level level, struct slice msg, const struct log_field *fields, uint32_t count);

/* Lines written and left out by sampling since the start, by level: for moongate_log_lines_total. */
uint64_t log_lines(enum log_level level);
uint64_t log_sampled(void);

/* Lines that an output did not take (a full disk, a closed pipe, a pipe that nobody reads), once for each output. */
uint64_t log_lost(void);

#define log_str(name_, cstr_) ((struct log_field){.name = (name_), .type = LOG_FIELD_STR, .str = slice_cstr(cstr_)})
#define log_slice(name_, slice_) ((struct log_field){.name = (name_), .type = LOG_FIELD_STR, .str = (slice_)})
#define log_int(name_, v_) ((struct log_field){.name = (name_), .type = LOG_FIELD_INT, .integer = (int64_t)(v_)})
#define log_num(name_, v_) ((struct log_field){.name = (name_), .type = LOG_FIELD_NUM, .num = (v_)})
#define log_bool(name_, v_) ((struct log_field){.name = (name_), .type = LOG_FIELD_BOOL, .boolean = (v_)})

/* LOG(LOG_INFO, "listening", log_str("addr", addr)): a literal message and any number of fields. */
#define LOG(level_, msg_, ...)                                                                                         \
	do {                                                                                                           \
		const struct log_field log_fields_[] = {{0}, ##__VA_ARGS__};                                           \
		log_write((level_), SLICE(msg_), log_fields_ + 1,                                                      \
		          (uint32_t)(sizeof log_fields_ / sizeof *log_fields_) - 1);                                   \
	} while (0)

#endif
