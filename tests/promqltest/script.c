/* Scripts: lines, commands, `load`. */
#include "script.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/regex.h"
#include "list.h"
#include "reader.h"

/* ---- lines and errors ---- */

bool reader_next_of_block(struct reader *r, struct slice *line)
{
	if (!r->has_ahead) {
		if (r->rest.len == 0)
			return false;
		const char *end = memchr(r->rest.ptr, '\n', r->rest.len);
		size_t len = end != NULL ? (size_t)(end - r->rest.ptr) : r->rest.len;
		r->ahead = line_trim(slice_new(r->rest.ptr, len));
		if (line_starts(r->ahead, SLICE("#")))
			r->ahead.len = 0;
		r->rest = line_skip(r->rest, end != NULL ? len + 1 : len);
		r->has_ahead = true;
		r->line++;
	}
	*line = r->ahead;
	return r->ahead.len > 0;
}

void reader_take(struct reader *r)
{
	r->has_ahead = false;
}

int reader_fail(struct reader *r, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return error_set(r->err, -EINVAL, "%s:%u: %s", r->path, r->line, text);
}

int reader_failed(struct reader *r)
{
	error_prefix(r->err, "%s:%u", r->path, r->line);
	return r->err->code;
}

int reader_out_of_memory(struct reader *r)
{
	return error_set(r->err, -ENOMEM, "%s:%u: out of memory", r->path, r->line);
}

int reader_series(struct reader *r, struct slice line, struct script_series *out)
{
	out->line = r->line;
	if (line_series(line, r->arena, out, r->err) != 0)
		return reader_failed(r);
	r->values += out->count;
	return r->values <= SCRIPT_ALL_VALUES_MAX
	           ? 0
	           : reader_fail(r, "a script has at most %d values", SCRIPT_ALL_VALUES_MAX);
}

/* ---- load ---- */

/* Start times that wait for the line of their series. */
struct pending {
	bool any;
	struct slice labels;
	uint32_t count;
};

static int take_start_line(struct reader *r, struct slice line, struct pending *start, bool *of_all)
{
	struct slice labels;
	uint32_t count;

	if (start->any)
		return reader_fail(r, "the @st line above has no line of samples");
	if (line_start(line, r->arena, &labels, &count, r->err) != 0)
		return reader_failed(r);
	if (labels.len == 0)
		*of_all = true;
	else
		*start = (struct pending){true, labels, count};
	return 0;
}

static int take_samples(struct reader *r, struct slice line, struct pending *start, bool of_all,
                        struct script_load *out)
{
	struct script_series *series = list_room(r->arena, out->series, out->series_count, sizeof *series);
	if (series == NULL)
		return reader_out_of_memory(r);
	out->series = series;
	series += out->series_count;
	*series = (struct script_series){0};
	int rc = reader_series(r, line, series);
	if (rc != 0)
		return rc;
	if (start->any && !slice_eq(series->labels, start->labels))
		return reader_fail(r, "the @st line above is of another series");
	if (start->any && series->count != start->count)
		return reader_fail(r, "the @st line above has %u times, and this one %u values", start->count,
		                   series->count);
	out->series_count++;
	out->start_time_count += start->any || of_all;
	start->any = false;
	return 0;
}

int reader_load(struct reader *r, struct slice first, struct slice rest, struct script_load *out)
{
	struct pending start = {0};
	bool of_all = false;
	int rc = 0;

	out->with_nhcb = slice_eq(first, SLICE("load_with_nhcb"));
	if ((!out->with_nhcb && !slice_eq(first, SLICE("load"))) || rest.len == 0)
		return reader_fail(r, "wanted load <step> or load_with_nhcb <step>");
	if (line_duration(rest, &out->step_ms, r->err) != 0)
		return reader_failed(r);
	for (struct slice line; rc == 0 && reader_next_of_block(r, &line); reader_take(r)) {
		if (line_is_start(line))
			rc = take_start_line(r, line, &start, &of_all);
		else
			rc = take_samples(r, line, &start, of_all, out);
	}
	if (rc == 0 && start.any)
		return reader_fail(r, "an @st line has no line of samples");
	return rc;
}

/* ---- scripts ---- */

static bool is_word(struct slice text, const char *word)
{
	return text.len == strlen(word) && strncasecmp(text.ptr, word, text.len) == 0;
}

static int parse_command(struct reader *r, struct slice line, struct script_command *out)
{
	struct slice rest = line, first = line_word(&rest);

	reader_take(r);
	*out = (struct script_command){.line = r->line};
	if (is_word(first, "clear")) {
		out->kind = SCRIPT_CLEAR;
		return 0;
	}
	if (line_starts(first, SLICE("load"))) {
		out->kind = SCRIPT_LOAD;
		return reader_load(r, first, rest, &out->load);
	}
	if (line_starts(first, SLICE("eval"))) {
		out->kind = SCRIPT_EVAL;
		return reader_eval(r, first, rest, &out->eval);
	}
	return reader_fail(r, "wanted a command (clear, load or eval), got \"%.*s\"", SLICE_ARG(line));
}

static int parse_commands(struct reader *r, struct script *out)
{
	while (r->has_ahead || r->rest.len > 0) {
		struct slice line;
		if (!reader_next_of_block(r, &line)) {
			reader_take(r);
			continue;
		}
		struct script_command *grown = list_room(r->arena, out->commands, out->count, sizeof *grown);
		if (grown == NULL)
			return reader_out_of_memory(r);
		out->commands = grown;
		int rc = parse_command(r, line, &grown[out->count]);
		out->count++; /* also of one that failed: its patterns are freed */
		if (rc != 0)
			return rc;
	}
	return 0;
}

int script_parse(const char *path, struct slice text, struct script *out, struct error *err)
{
	*out = (struct script){.path = path};
	arena_init(&out->arena);
	struct reader r = {.arena = &out->arena, .path = path, .err = err};
	r.rest = arena_copy(&out->arena, text);
	if (r.rest.ptr == NULL)
		return reader_out_of_memory(&r);
	return parse_commands(&r, out);
}

void script_deinit(struct script *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		struct script_command *c = &s->commands[i];
		for (uint32_t k = 0; c->kind == SCRIPT_EVAL && k < c->eval.expect_count; k++)
			regex_free(c->eval.expects[k].pattern);
	}
	arena_deinit(&s->arena);
	s->commands = NULL;
	s->count = 0;
}
