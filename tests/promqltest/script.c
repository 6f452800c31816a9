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

bool reader_next_of_block(struct reader *p, struct slice *line)
{
	if (!p->has_ahead) {
		if (p->rest.len == 0)
			return false;
		const char *end = memchr(p->rest.ptr, '\n', p->rest.len);
		size_t len = end != NULL ? (size_t)(end - p->rest.ptr) : p->rest.len;
		p->ahead = line_trim(slice_new(p->rest.ptr, len));
		if (line_starts(p->ahead, SLICE("#")))
			p->ahead.len = 0;
		p->rest = line_skip(p->rest, end != NULL ? len + 1 : len);
		p->has_ahead = true;
		p->line++;
	}
	*line = p->ahead;
	return p->ahead.len > 0;
}

void reader_take(struct reader *p)
{
	p->has_ahead = false;
}

int reader_fail(struct reader *p, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return error_set(p->err, -EINVAL, "%s:%u: %s", p->path, p->line, text);
}

int reader_failed(struct reader *p)
{
	error_prefix(p->err, "%s:%u", p->path, p->line);
	return p->err->code;
}

int reader_out_of_memory(struct reader *p)
{
	return error_set(p->err, -ENOMEM, "%s:%u: out of memory", p->path, p->line);
}

int reader_series(struct reader *p, struct slice line, struct script_series *out)
{
	out->line = p->line;
	return line_series(line, p->arena, out, p->err) == 0 ? 0 : reader_failed(p);
}

/* ---- load ---- */

/* Start times that wait for the line of their series. */
struct pending {
	bool any;
	struct slice labels;
	uint32_t count;
};

static int take_start_line(struct reader *p, struct slice line, struct pending *start, bool *of_all)
{
	struct slice labels;
	uint32_t count;

	if (start->any)
		return reader_fail(p, "the @st line above has no line of samples");
	if (line_start(line, p->arena, &labels, &count, p->err) != 0)
		return reader_failed(p);
	if (labels.len == 0)
		*of_all = true;
	else
		*start = (struct pending){true, labels, count};
	return 0;
}

static int take_samples(struct reader *p, struct slice line, struct pending *start, bool of_all,
                        struct script_load *out)
{
	struct script_series *series = list_room(p->arena, out->series, out->series_count, sizeof *series);
	if (series == NULL)
		return reader_out_of_memory(p);
	out->series = series;
	series += out->series_count;
	*series = (struct script_series){0};
	int rc = reader_series(p, line, series);
	if (rc != 0)
		return rc;
	if (start->any && !slice_eq(series->labels, start->labels))
		return reader_fail(p, "the @st line above is of another series");
	if (start->any && series->count != start->count)
		return reader_fail(p, "the @st line above has %u times, and this one %u values", start->count,
		                   series->count);
	out->series_count++;
	out->start_time_count += start->any || of_all;
	start->any = false;
	return 0;
}

int reader_load(struct reader *p, struct slice first, struct slice rest, struct script_load *out)
{
	struct pending start = {0};
	bool of_all = false;
	int rc = 0;

	out->with_nhcb = slice_eq(first, SLICE("load_with_nhcb"));
	if ((!out->with_nhcb && !slice_eq(first, SLICE("load"))) || rest.len == 0)
		return reader_fail(p, "wanted load <step> or load_with_nhcb <step>");
	if (line_duration(rest, &out->step_ms, p->err) != 0)
		return reader_failed(p);
	for (struct slice line; rc == 0 && reader_next_of_block(p, &line); reader_take(p)) {
		if (line_is_start(line))
			rc = take_start_line(p, line, &start, &of_all);
		else
			rc = take_samples(p, line, &start, of_all, out);
	}
	if (rc == 0 && start.any)
		return reader_fail(p, "an @st line has no line of samples");
	return rc;
}

/* ---- scripts ---- */

static bool is_word(struct slice text, const char *word)
{
	return text.len == strlen(word) && strncasecmp(text.ptr, word, text.len) == 0;
}

static int parse_command(struct reader *p, struct slice line, struct script_command *out)
{
	struct slice rest = line, first = line_word(&rest);

	reader_take(p);
	*out = (struct script_command){.line = p->line};
	if (is_word(first, "clear")) {
		out->kind = SCRIPT_CLEAR;
		return 0;
	}
	if (line_starts(first, SLICE("load"))) {
		out->kind = SCRIPT_LOAD;
		return reader_load(p, first, rest, &out->load);
	}
	if (line_starts(first, SLICE("eval"))) {
		out->kind = SCRIPT_EVAL;
		return reader_eval(p, first, rest, &out->eval);
	}
	return reader_fail(p, "wanted a command (clear, load or eval), got \"%.*s\"", SLICE_ARG(line));
}

static int parse_commands(struct reader *p, struct script *out)
{
	while (p->has_ahead || p->rest.len > 0) {
		struct slice line;
		if (!reader_next_of_block(p, &line)) {
			reader_take(p);
			continue;
		}
		struct script_command *grown = list_room(p->arena, out->commands, out->count, sizeof *grown);
		if (grown == NULL)
			return reader_out_of_memory(p);
		out->commands = grown;
		int rc = parse_command(p, line, &grown[out->count]);
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
	struct reader p = {.arena = &out->arena, .path = path, .err = err};
	p.rest = arena_copy(&out->arena, text);
	if (p.rest.ptr == NULL)
		return reader_out_of_memory(&p);
	return parse_commands(&p, out);
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
