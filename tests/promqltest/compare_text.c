/* Comparison of what queries say: warnings, infos, failures. */
#include "compare.h"

static void put_line(struct buf *out, const char *what, struct slice text)
{
	buf_printf(out, "    %-7s %.*s\n", what, SLICE_ARG(text));
}

static void put_expectation(struct buf *out, const struct script_expect *expect)
{
	buf_printf(out, "    %-7s %s %s", "wanted", script_expectation_names[expect->what],
	           expect->pattern != NULL ? "like " : "");
	buf_slice_append(out, expect->text.ptr != NULL ? expect->text : SLICE("of any text"));
	buf_byte(out, '\n');
}

/* Does one of the texts meet the expectation? Where memory is out, none does. */
static bool any_matches(const struct script_expect *expect, const struct slice *texts, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (script_expect_matches(expect, texts[i]) == 1)
			return true;
	}
	return false;
}

/* Is the text expected? */
static bool is_expected(const struct script_eval *e, enum script_expectation what, struct slice text)
{
	for (uint32_t i = 0; i < e->expect_count; i++) {
		if (e->expects[i].what == what && script_expect_matches(&e->expects[i], text) == 1)
			return true;
	}
	return false;
}

/* Each expectation is met, and each text is expected: where there are expectations at all. */
static bool compare_texts(const struct script_eval *e, enum script_expectation what, enum script_expectation none,
                          const struct slice *texts, uint32_t count, struct buf *out)
{
	bool same = true, any = script_expects(e, what), refused = script_expects(e, none);

	for (uint32_t i = 0; i < e->expect_count; i++) {
		if (e->expects[i].what != what || any_matches(&e->expects[i], texts, count))
			continue;
		put_expectation(out, &e->expects[i]);
		same = false;
	}
	for (uint32_t i = 0; i < count; i++) {
		bool wrong = refused || (any && !is_expected(e, what, texts[i]));
		if (wrong)
			buf_printf(out, "    wanted no such %s\n", script_expectation_names[what]);
		if (wrong || !same)
			put_line(out, "got", texts[i]);
		same &= !wrong;
	}
	return same;
}

bool compare_annotations(const struct script_eval *e, const struct promql_result *got, struct buf *out)
{
	bool warned = compare_texts(e, EXPECT_WARN, EXPECT_NO_WARN, got->warnings, got->warning_count, out);
	return compare_texts(e, EXPECT_INFO, EXPECT_NO_INFO, got->infos, got->info_count, out) && warned;
}

bool compare_failure(const struct script_eval *e, struct slice sentence, struct buf *out)
{
	for (uint32_t i = 0; i < e->expect_count; i++) {
		const struct script_expect *expect = &e->expects[i];
		if (expect->what != EXPECT_FAIL)
			continue;
		if (script_expect_matches(expect, sentence) == 1)
			return true;
		put_expectation(out, expect);
		put_line(out, "got", sentence);
		return false;
	}
	put_line(out, "failed:", sentence);
	return false;
}
