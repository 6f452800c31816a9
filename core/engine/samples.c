/* Samples from the wire on their way through the engine. */
#include "base/check.h"
#include "engine/internal.h"

const char *sample_refused_text(enum sample_refused why)
{
	static const char *const texts[SAMPLE_REFUSALS] = {
	    [SAMPLE_REFUSED_CONFLICT] = "another value is there at the same time",
	    [SAMPLE_REFUSED_TOO_OLD] = "it is older than store.out_of_order allows, or than what has been sealed",
	    [SAMPLE_REFUSED_TOO_NEW] = "its time lies too far in the future",
	    [SAMPLE_REFUSED_TOO_LATE] = "too many samples of its series came out of order",
	    [SAMPLE_REFUSED_SERIES] = "there are as many series as store.max_series allows",
	    [SAMPLE_REFUSED_METRIC] = "its metric has as many series as store.max_series_per_metric allows",
	    [SAMPLE_REFUSED_DELTA] = "it is an increment that does not follow the newest point of its series",
	};
	CHECK((unsigned)why < SAMPLE_REFUSALS && texts[why] != NULL);
	return texts[why];
}
