/* Batches of samples as text, and jobs with targets as configured. */
#ifndef MOONGATE_UNIT_SCRAPE_SUPPORT_H
#define MOONGATE_UNIT_SCRAPE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "record/labels.h"
#include "record/samples.h"

/* Each sample a line, `up{job="j"} 1 @1000`, in their order; "stale" for the marker. Checks what every batch has to be. */
static inline void batch_text(const struct sample_batch *b, struct buf *out)
{
	uint64_t samples = 0, exemplars = 0;

	for (uint32_t i = 0; i < b->series_count; i++) {
		const struct sample_series *s = &b->series[i];
		uint64_t bits;
		assert_int_equal(labels_check(s->labels, NULL, NULL), 0);
		assert_int_equal(s->hash, labels_hash(s->labels));
		assert_int_equal(s->sample_count, 1);
		memcpy(&bits, &s->samples[0].value, sizeof bits);
		labels_text(s->labels, out);
		buf_byte(out, ' ');
		if (bits == SAMPLE_STALE_BITS)
			buf_str(out, "stale");
		else
			buf_number(out, s->samples[0].value);
		buf_printf(out, " @%lld", (long long)s->samples[0].time_ms);
		for (uint32_t k = 0; k < s->exemplar_count; k++)
			buf_printf(out, " # %g @%lld", s->exemplars[k].value, (long long)s->exemplars[k].time_ms);
		buf_byte(out, '\n');
		samples++;
		exemplars += s->exemplar_count;
	}
	assert_int_equal(b->sample_count, samples);
	assert_int_equal(b->exemplar_count, exemplars);
}

#endif
