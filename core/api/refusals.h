/* What was refused of samples, in words and numbers: for the answers of ways in that take what they can. What the decoder refused and what the store refused are told as one. Of an intake of samples whose
 * submission is done (status 0) or was never needed. */
#ifndef MOONGATE_API_REFUSALS_H
#define MOONGATE_API_REFUSALS_H

#include "api/intake.h"

/* How a protocol calls a series of its body: "series 3", counted from `first`. */
struct refusals_place {
	const char *name;
	uint32_t first; /* 0 or 1 */
};

/* Was anything refused for good: samples, exemplars, metadata? */
bool refusals_any(const struct intake *in);

/* Samples that came, native histograms counted as one each; those of them that were refused; and those that are in the store now, new or known before. */
uint64_t refusals_of(const struct intake *in);
uint64_t refusals_refused(const struct intake *in);
uint64_t refusals_taken(const struct intake *in);

/* Appends how many of how many samples were refused, and the first refusals with place, series and reason. At most some 1,500 bytes, valid UTF-8. */
void refusals_text(const struct intake *in, const struct refusals_place *place, struct buf *out);
/* The latter alone: ": the first; the second; and more". For protocols that count something else. */
void refusals_list(const struct intake *in, const struct refusals_place *place, struct buf *out);

#endif
