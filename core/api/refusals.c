/* The words for samples that were refused. Senders log the beginning of an answer (Prometheus its first 1,024 bytes), so that the numbers come first. */
#include "api/refusals.h"

#include "base/utf8.h"
#include "record/labels.h"

enum {
	LISTED_BYTES = 900, /* no further refusal is begun behind so many bytes */
	SERIES_BYTES = 200, /* of a series' text */
	REASON_BYTES = 300  /* of a decoder's sentence */
};

bool refusals_any(const struct intake *in)
{
	return in->rejects.count + in->rejects.unlisted > 0 || in->submission.results.refused_total > 0;
}

static uint64_t refused_by_decoder(const struct intake *in)
{
	return in->rejects.samples + in->rejects.histograms;
}

uint64_t refusals_of(const struct intake *in)
{
	return in->submission.samples->sample_count + refused_by_decoder(in);
}

uint64_t refusals_refused(const struct intake *in)
{
	return refused_by_decoder(in) + in->submission.results.refused_total;
}

uint64_t refusals_taken(const struct intake *in)
{
	return in->submission.results.stored + in->submission.results.duplicate;
}

static void put_counts(const struct intake *in, struct buf *out)
{
	unsigned long long all = refusals_of(in), refused = refusals_refused(in);
	if (refused == 0)
		buf_printf(out, "%llu samples were taken, but not all that came with them", all);
	else if (refused < all)
		buf_printf(out, "%llu of %llu samples were refused, the others were taken", refused, all);
	else
		buf_printf(out, "%llu of %llu samples were refused", refused, all);
}

/* Cut to `max` bytes, and then said so. */
static void put_cut(struct buf *out, struct slice text, size_t max)
{
	struct slice cut = utf8_cut(text, max);
	buf_slice_append(out, cut);
	if (cut.len < text.len)
		buf_str(out, "…");
}

static void put_series(struct buf *out, struct slice labels)
{
	struct buf text = {0};
	labels_text(labels, &text);
	if (!buf_failed(&text))
		put_cut(out, buf_slice(&text), SERIES_BYTES);
	buf_free(&text);
}

static bool is_of_series(enum sample_refused why)
{
	return why == SAMPLE_REFUSED_SERIES || why == SAMPLE_REFUSED_METRIC;
}

/* The samples that a refusal stands for. */
static uint64_t samples_of(const struct intake *in, const struct sample_refusal *r)
{
	return is_of_series(r->why) ? in->submission.samples->series[r->series].sample_count : 1;
}

static void put_refusal(const struct intake *in, const struct sample_refusal *r, const struct refusals_place *place,
                        struct buf *out)
{
	const struct sample_series *s = &in->submission.samples->series[r->series];
	buf_printf(out, "%s %u, ", place->name, s->index + place->first);
	put_series(out, s->labels);
	if (!is_of_series(r->why))
		buf_printf(out, ", at %lld ms", (long long)r->time_ms);
	buf_str(out, ": ");
	buf_str(out, sample_refused_text(r->why));
}

void refusals_list(const struct intake *in, const struct refusals_place *place, struct buf *out)
{
	const struct ingest_rejects *rejects = &in->rejects;
	const struct sample_results *results = &in->submission.results;
	size_t begin = out->len;
	uint64_t told = 0; /* samples that the store refused */
	uint32_t i = 0, j = 0;

	while ((i < rejects->count || j < results->refusal_count) && out->len - begin < LISTED_BYTES &&
	       !buf_failed(out)) {
		buf_str(out, i + j == 0 ? ": " : "; ");
		if (i < rejects->count) {
			put_cut(out, rejects->items[i++].text, REASON_BYTES);
			continue;
		}
		told += samples_of(in, &results->refusals[j]);
		put_refusal(in, &results->refusals[j++], place, out);
	}
	if (i < rejects->count || rejects->unlisted > 0 || told < results->refused_total)
		buf_str(out, i + j == 0 ? "" : "; and more");
}

void refusals_text(const struct intake *in, const struct refusals_place *place, struct buf *out)
{
	put_counts(in, out);
	refusals_list(in, place, out);
}
