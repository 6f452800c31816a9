/* A question and its answer as text, step by step: series that are given line by line, an expression, and what comes out of its evaluation.
 *
 *   x{a="1"} 1 2 _ NaN        a value for each step, `_` where there is none
 *
 * The answer has a line a series, "{a="1"} 1 2 _", then "warning: …", "info: …"; or "error: …" alone. */
#ifndef MOONGATE_TEST_PROMQL_ANSWER_H
#define MOONGATE_TEST_PROMQL_ANSWER_H

#include "support/asked.h"

struct answer {
	struct db db;
	uint32_t steps; /* a second each */
	struct buf text;
};

static void answer_add(struct answer *a, const char *line, size_t len)
{
	char *copy = strndup(line, len), *values = strstr(copy, "} ");
	uint32_t steps = 0;

	assert_non_null(values);
	values[1] = '\0';
	values += 2;
	for (const char *at = values; *at != '\0'; at += strspn(at, " ")) {
		at += strcspn(at, " ");
		steps++;
	}
	a->steps = steps > a->steps ? steps : a->steps;
	series(&a->db, copy, 0, 1, values);
	free(copy);
}

/* Takes series, a line each. answer_free in the end. */
static void answer_load(struct answer *a, const char *lines)
{
	*a = (struct answer){0};
	db_init(&a->db);
	a->db.query.lookback_ms = 1; /* a gap is one */
	while (*lines != '\0') {
		size_t len = strcspn(lines, "\n");
		answer_add(a, lines, len);
		lines += len + (lines[len] == '\n');
	}
}

static void answer_free(struct answer *a)
{
	db_free(&a->db);
	buf_free(&a->text);
}

enum answer_kind {
	ANSWER_RANGE,   /* over all steps of the series */
	ANSWER_INSTANT, /* at the first one */
	ANSWER_DELAYED  /* over all, names dropped at the end */
};

static void answer_result(const struct promql_result *r, struct buf *out)
{
	for (uint32_t i = 0; i < r->series_count; i++) {
		labels_text(r->series[i].labels, out);
		for (uint32_t k = 0; k < r->series[i].count; k++) {
			buf_byte(out, ' ');
			if (promql_is_absent(r->series[i].values[k]))
				buf_byte(out, '_');
			else
				buf_number(out, r->series[i].values[k]);
		}
		buf_byte(out, '\n');
	}
	for (uint32_t i = 0; i < r->warning_count; i++)
		buf_printf(out, "warning: %.*s\n", SLICE_ARG(r->warnings[i]));
	for (uint32_t i = 0; i < r->info_count; i++)
		buf_printf(out, "info: %.*s\n", SLICE_ARG(r->infos[i]));
}

/* The code, and the answer, which is good until the next question; NULL where there was no memory for it. */
static int answer_ask(struct answer *a, enum answer_kind kind, const char *query, const char **text)
{
	a->db.query.delayed_names = kind == ANSWER_DELAYED;
	const char *got =
	    kind == ANSWER_INSTANT ? asked(&a->db, query, 0, 0, 0) : asked(&a->db, query, 0, (double)a->steps - 1, 1);
	buf_reset(&a->text);
	if (a->db.code == 0)
		answer_result(&a->db.last, &a->text);
	else
		buf_str(&a->text, got);
	buf_byte(&a->text, '\0');
	*text = buf_failed(&a->text) || buf_failed(&a->db.text) ? NULL : a->text.ptr;
	return a->db.code;
}

static inline void answer_check(struct answer *a, enum answer_kind kind, const char *query, const char *wanted)
{
	const char *text;
	answer_ask(a, kind, query, &text);
	if (text == NULL || strcmp(text, wanted) != 0)
		fail_msg("%s\ngives\n%sand not\n%s", query, text == NULL ? "nothing\n" : text, wanted);
}

/* The same with each allocation failing once: -ENOMEM, or the answer as if nothing had happened; nothing is lost (AddressSanitizer), and it ends. */
static inline void answer_without_memory(struct answer *a, enum answer_kind kind, const char *query, const char *wanted)
{
	for (uint64_t nth = 1;; nth++) {
		const char *text;
		uint64_t before = fault_hits(FAULT_MALLOC);
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		int code = answer_ask(a, kind, query, &text);
		bool hit = fault_hits(FAULT_MALLOC) - before >= nth;
		fault_clear();
		if (!hit) {
			assert_string_equal(text, wanted);
			return;
		}
		if (code != -ENOMEM && text != NULL)
			assert_string_equal(text, wanted);
		assert_true(nth < 10000);
	}
}

/* Queries over the same data, and what each gives. */
struct ask {
	const char *query, *wanted;
};

static inline void answer_check_all(const char *data, enum answer_kind kind, const struct ask *asks, size_t count)
{
	struct answer a;
	answer_load(&a, data);
	for (size_t i = 0; i < count; i++)
		answer_check(&a, kind, asks[i].query, asks[i].wanted);
	answer_free(&a);
}

#endif
