/* A query over a trace, and what comes of it as text: "0 2; 3 by(.a)=x" are two sets, the second with an attribute. */
#ifndef MOONGATE_TEST_TRACES_ASKED_H
#define MOONGATE_TEST_TRACES_ASKED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/laid.h"
#include "traces/traceql.h"

__attribute__((unused)) static void asked_write(const struct traceql_set *sets, uint32_t count, struct buf *out)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct traceql_set *set = &sets[i];
		buf_str(out, i > 0 ? "; " : "");
		for (uint32_t n = 0; n < set->count; n++)
			buf_printf(out, n > 0 ? " %u" : "%u", set->spans[n]);
		for (uint32_t n = 0; n < set->attribute_count; n++) {
			buf_printf(out, " %.*s=", SLICE_ARG(set->attributes[n].name));
			traceql_value_text(&set->attributes[n].value, out);
		}
	}
	buf_byte(out, '\0');
}

static struct traceql_query *asked_parse(const char *text)
{
	struct error err = {0};
	struct traceql_query *q = traceql_parse(slice_cstr(text), &err);

	if (q == NULL)
		fail_msg("%s: %s", text, err.text);
	return q;
}

/* To be freed with buf_free. */
__attribute__((unused)) static void asked(const char *text, const struct trace *t, struct buf *out)
{
	struct traceql_query *q = asked_parse(text);
	struct traceql_state *s = traceql_state_new(q, NULL, NULL);
	struct traceql_set *sets;
	uint32_t count;

	assert_non_null(s);
	for (int again = 0; again < 2; again++) { /* what is kept from one run to the next changes nothing */
		buf_reset(out);
		assert_int_equal(traceql_run(s, t, &sets, &count), 0);
		asked_write(sets, count, out);
	}
	traceql_state_free(s);
	traceql_free(q);
}

__attribute__((unused)) static void assert_asked(const char *text, const struct trace *t, const char *wanted)
{
	struct buf got = {0};

	asked(text, t, &got);
	if (strcmp(got.ptr, wanted) != 0)
		fail_msg("%s\n  wanted %s\n  got    %s", text, wanted, got.ptr);
	buf_free(&got);
}

#endif
