/* `eval` and what it expects. */
#include <errno.h>

#include "base/regex.h"
#include "list.h"
#include "reader.h"

const char *const script_expectation_names[] = {"fail", "warn", "no_warn", "info", "no_info", "ordered"};
enum { EXPECTATIONS = EXPECT_ORDERED + 1 };

bool script_expects(const struct script_eval *e, enum script_expectation what)
{
	for (uint32_t i = 0; i < e->expect_count; i++) {
		if (e->expects[i].what == what)
			return true;
	}
	return false;
}

int script_expect_matches(const struct script_expect *e, struct slice text)
{
	if (e->text.ptr == NULL)
		return 1;
	return e->pattern != NULL ? regex_search(e->pattern, text, 0, NULL) : slice_eq(e->text, text);
}

/* ---- expectations ---- */

static int compile(struct reader *r, struct script_expect *expect)
{
	expect->pattern = regex_new(expect->text, REGEX_SEARCH, r->err);
	return expect->pattern != NULL ? 0 : reader_failed(r);
}

/* `text` with its ptr NULL: any. */
static int add_expectation(struct reader *r, struct script_eval *e, enum script_expectation what, struct slice text,
                           bool is_pattern)
{
	struct script_expect *grown = list_room(r->arena, e->expects, e->expect_count, sizeof *grown);
	if (grown == NULL)
		return reader_out_of_memory(r);
	e->expects = grown;
	grown += e->expect_count++;
	*grown = (struct script_expect){.what = what, .text = text};
	return is_pattern ? compile(r, grown) : 0;
}

static int check_together(struct reader *r, const struct script_eval *e)
{
	uint32_t fails = 0;

	if (script_expects(e, EXPECT_WARN) && script_expects(e, EXPECT_NO_WARN))
		return reader_fail(r, "an eval expects warn or no_warn, not both");
	if (script_expects(e, EXPECT_INFO) && script_expects(e, EXPECT_NO_INFO))
		return reader_fail(r, "an eval expects info or no_info, not both");
	for (uint32_t i = 0; i < e->expect_count; i++)
		fails += e->expects[i].what == EXPECT_FAIL;
	return fails > 1 ? reader_fail(r, "an eval expects to fail once") : 0;
}

/* Behind `expect`: warn, warn msg: text, warn regex: pattern. */
static int take_expect(struct reader *r, struct slice rest, struct script_eval *e)
{
	struct slice what = line_word(&rest), text = {0};
	bool is_pattern = line_starts(rest, SLICE("regex:"));
	int type = 0;

	while (type < EXPECTATIONS && !slice_eq(what, slice_cstr(script_expectation_names[type])))
		type++;
	if (type == EXPECTATIONS)
		return reader_fail(r,
		                   "wanted expect and fail, warn, no_warn, info, no_info, ordered, string or range "
		                   "vector, got \"%.*s\"",
		                   SLICE_ARG(what));
	if (is_pattern || line_starts(rest, SLICE("msg:")))
		text = line_trim(line_skip(rest, is_pattern ? 6 : 4));
	else if (rest.len > 0)
		return reader_fail(r, "wanted msg: or regex:, got \"%.*s\"", SLICE_ARG(rest));
	if (text.ptr != NULL && text.len == 0)
		return reader_fail(r, "wanted a text behind %s", is_pattern ? "regex:" : "msg:");
	int rc = add_expectation(r, e, (enum script_expectation)type, text, is_pattern);
	return rc != 0 ? rc : check_together(r, e);
}

/* from <time> to <time> step <duration>: takes the six words. */
static int take_range(struct reader *r, struct slice *rest, struct script_eval *e)
{
	static const char *const words[] = {"from", "to", "step"};
	int64_t *const times[] = {&e->start_ms, &e->end_ms, &e->step_ms};

	for (int i = 0; i < 3; i++) {
		struct slice word = line_word(rest);
		if (!slice_eq(word, slice_cstr(words[i])))
			return reader_fail(r, "wanted \"%s\" of from <time> to <time> step <duration>, got \"%.*s\"",
			                   words[i], SLICE_ARG(word));
		if (line_duration(line_word(rest), times[i], r->err) != 0)
			return reader_failed(r);
	}
	if (e->end_ms < e->start_ms)
		return reader_fail(r, "the end lies before the start");
	return e->step_ms > 0 ? 0 : reader_fail(r, "a step is longer than nothing");
}

/* ---- results ---- */

static int take_series(struct reader *r, struct slice line, struct script_eval *e)
{
	struct script_series found = {0};
	uint32_t at = 0;
	int rc = reader_series(r, line, &found);

	if (rc != 0)
		return rc;
	if (found.count == 0)
		return reader_fail(r, "wanted a value behind the series");
	if (found.count > 1 && !e->range && !e->expects_range_vector)
		return reader_fail(r, "an instant query gives one value a series; a range vector is expected with "
		                      "expect range vector from <time> to <time> step <duration>");
	while (at < e->series_count && !slice_eq(e->series[at].labels, found.labels))
		at++;
	if (at == e->series_count) {
		struct script_series *grown = list_room(r->arena, e->series, e->series_count, sizeof *grown);
		if (grown == NULL)
			return reader_out_of_memory(r);
		e->series = grown;
		e->series_count++;
	}
	e->series[at] = found;
	return 0;
}

/* expected_fail_message, expected_fail_regexp: what eval_fail expects. */
static int take_older_text(struct reader *r, struct slice line, struct script_eval *e)
{
	struct slice text = line, word = line_word(&text);
	bool is_pattern = slice_eq(word, SLICE("expected_fail_regexp"));

	if (e->expect_count == 0 || e->expects[0].what != EXPECT_FAIL || e->expects[0].text.ptr != NULL)
		return reader_fail(r, "%.*s stands below eval_fail", SLICE_ARG(word));
	if ((!is_pattern && !slice_eq(word, SLICE("expected_fail_message"))) || text.len == 0)
		return reader_fail(r, "wanted expected_fail_message or expected_fail_regexp and a text");
	e->expects[0].text = text;
	return is_pattern ? compile(r, &e->expects[0]) : 0;
}

/* Takes a line of the block; *ends: it is the last one. */
static int take_line(struct reader *r, struct slice line, struct script_eval *e, bool *ends)
{
	struct slice rest = line;

	*ends = line_starts(line, SLICE("expected_fail_"));
	if (*ends)
		return take_older_text(r, line, e);
	if (line_starts(line, SLICE("expect range vector"))) {
		rest = line_trim(line_skip(line, strlen("expect range vector")));
		e->expects_range_vector = true;
		return take_range(r, &rest, e);
	}
	if (line_starts(line, SLICE("expect string"))) {
		e->result = RESULT_STRING;
		rest = line_trim(line_skip(line, strlen("expect string")));
		return line_string(rest, r->arena, &e->string, r->err) == 0 ? 0 : reader_failed(r);
	}
	if (slice_eq(line_word(&rest), SLICE("expect")))
		return take_expect(r, rest, e);
	if (line_number(line, r->arena, &e->scalar)) {
		e->result = RESULT_SCALAR;
		*ends = true;
		return 0;
	}
	return take_series(r, line, e);
}

/* ---- the command ---- */

/* eval_fail, eval_warn, …: the older way to expect something. */
static int take_older_form(struct reader *r, struct slice first, struct script_eval *e)
{
	static const struct {
		const char *name;
		enum script_expectation what;
	} forms[] = {{"eval_fail", EXPECT_FAIL},
	             {"eval_warn", EXPECT_WARN},
	             {"eval_info", EXPECT_INFO},
	             {"eval_ordered", EXPECT_ORDERED}};

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		if (slice_eq(first, slice_cstr(forms[i].name)))
			return add_expectation(r, e, forms[i].what, (struct slice){0}, false);
	}
	return slice_eq(first, SLICE("eval"))
	           ? 0
	           : reader_fail(r, "wanted eval, eval_fail, eval_warn, eval_info or eval_ordered, got \"%.*s\"",
	                         SLICE_ARG(first));
}

static int take_times(struct reader *r, struct slice *rest, struct script_eval *e)
{
	struct slice kind = line_word(rest);

	e->range = slice_eq(kind, SLICE("range"));
	if (e->range)
		return take_range(r, rest, e);
	if (!slice_eq(kind, SLICE("instant")) || !slice_eq(line_word(rest), SLICE("at")))
		return reader_fail(r, "wanted eval instant at <time> <expression>, or eval range from <time> to <time> "
		                      "step <duration> <expression>");
	return line_duration(line_word(rest), &e->start_ms, r->err) == 0 ? 0 : reader_failed(r);
}

int reader_eval(struct reader *r, struct slice first, struct slice rest, struct script_eval *out)
{
	bool ends = false;
	int rc = take_older_form(r, first, out);

	if (rc == 0)
		rc = take_times(r, &rest, out);
	if (rc != 0)
		return rc;
	if (rest.len == 0)
		return reader_fail(r, "wanted an expression behind the times");
	out->expr = rest;
	if (out->range && script_expects(out, EXPECT_ORDERED))
		return reader_fail(r, "a range query has no order but that of its labels");
	for (struct slice line; rc == 0 && !ends && reader_next_of_block(r, &line); reader_take(r))
		rc = take_line(r, line, out, &ends);
	return rc;
}
