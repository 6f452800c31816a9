/* What the files of the OTLP metrics decoder share. From the outside in:
 *
 *   otlp_json.c         JSON to Protocol Buffers
 *   otlp_metrics.c      the walk over Protocol Buffers: resources, scopes, metrics
 *   otlp_point.c        a data point into struct otlp_point
 *   otlp_series.c       a data point → its series and samples; with otlp_exponential.c and otlp_exemplars.c
 *   otlp_labels.c       attributes → label sets, by the names of otlp_name.c
 *
 * Private to ingest/. */
#ifndef MOONGATE_INGEST_OTLP_METRICS_H
#define MOONGATE_INGEST_OTLP_METRICS_H

#include <errno.h>

#include "base/table.h"
#include "ingest/ingest.h"
#include "ingest/otlp_value.h"
#include "record/labels.h"

/* The labels that a point's set has beside its attributes. */
enum otlp_fixed { OTLP_FIXED_NAME, OTLP_FIXED_JOB, OTLP_FIXED_INSTANCE, OTLP_FIXED_BOUND, OTLP_FIXED_COUNT };

enum { OTLP_LABELS_MAX = LABELS_MAX + OTLP_FIXED_COUNT, OTLP_BOUND_TEXT_MAX = 32 };

/* Numbers of 64 bits, of doubles their bits. */
struct otlp_numbers {
	uint64_t *items; /* owned by the decoder */
	size_t count, cap;
};

/* Buckets of one sign of an exponential histogram: the i-th one is (base^(offset+i), base^(offset+i+1)]. */
struct otlp_buckets {
	int32_t offset;
	struct otlp_numbers counts;
};

/* A data point of any kind, as it was sent. */
struct otlp_point {
	uint64_t start_ns, time_ns;
	uint64_t flags;
	bool has_value; /* gauge, sum */
	double value;   /* likewise */
	bool has_sum;   /* of those below */
	double sum;     /* likewise */
	uint64_t count; /* likewise */
	int32_t scale;  /* exponential histogram: base = 2^(2^-scale) */
	uint64_t zero_count;
	double zero_threshold;
	struct otlp_buckets positive, negative;
	struct otlp_numbers bounds; /* of a histogram; of a summary quantiles and their values in turn */
	struct otlp_numbers counts; /* of a histogram's buckets */
};

enum { OTLP_NO_RECORDED_VALUE = 1 }; /* the bit of flags */

/* The longest of what is put behind the name of a metric. */
#define OTLP_LONGEST_SUFFIX SLICE("_bucket")

struct otlp_metric {
	enum otlp_kind { OTLP_GAUGE, OTLP_SUM, OTLP_HISTOGRAM, OTLP_EXPONENTIAL, OTLP_SUMMARY } kind;
	bool delta, monotonic;
	struct slice sent_name, sent_unit, description; /* in the body */
	struct slice name;                              /* as series have it; OTLP_LONGEST_SUFFIX stands behind it */
	const char *why;                                /* nothing of it is taken; NULL: it may be */
	bool described;                                 /* its metadata is in the batch */
};

struct otlp_resource {
	struct slice job, instance; /* in the arena; empty: none */
	uint32_t others;            /* attributes that are said by target_info alone */
	const char *why;            /* nothing of it is taken; NULL: it may be */
	int64_t newest_ms;          /* of the points that were taken; INT64_MIN: none was */
	uint32_t last_index;        /* of the last one of them */
};

/* The labels of a point in order, to be written with different names and bounds. */
struct otlp_set {
	struct label labels[OTLP_LABELS_MAX];
	uint32_t count;
	int32_t at[OTLP_FIXED_COUNT]; /* where the fixed ones are, −1: nowhere */
};

/* The text of a bucket's bound; the same bounds come point after point. */
struct otlp_bound {
	uint64_t bits;
	uint32_t len;
	char text[OTLP_BOUND_TEXT_MAX];
};

/* An exemplar of the point at hand, and the number of the bucket that holds its value. */
struct otlp_exemplar {
	struct sample_exemplar exemplar;
	uint32_t bucket, order;
};

struct otlp {
	struct protobuf p;
	struct sample_batch *batch;
	const struct ingest_sample_limits *limits;
	struct ingest_rejects *rejects;
	struct error *err;

	uint32_t at[4];       /* the place at hand: positions of resourceMetrics, scopeMetrics, metrics, dataPoints */
	uint32_t index;       /* the running number of the data point at hand */
	size_t label_bytes;   /* of sets that were written into the arena */
	bool target_info;     /* its metadata is in the batch */
	struct arena scratch; /* of the point at hand */
	struct buf text;      /* a value's text, before it has its place */
	char why[320];        /* the point at hand is refused */
	bool no_memory;       /* that is the error of `p` */

	struct otlp_resource resource;
	struct otlp_metric metric;
	struct otlp_point point;

	struct otlp_attribute attributes[LABELS_MAX]; /* of the resource or point at hand */
	uint32_t attribute_count;                     /* may be more than LABELS_MAX: then it is refused */
	struct otlp_set set;

	/* The keys of the last point and what became of them: those of the next one mostly are the same. */
	struct {
		struct slice raw[LABELS_MAX];        /* in the body */
		struct slice clean[OTLP_LABELS_MAX]; /* in the body or the arena */
		uint8_t order
		    [OTLP_LABELS_MAX]; /* of the set: the number of an attribute, or LABELS_MAX + enum otlp_fixed */
		uint32_t count, all;   /* attributes; with the fixed ones */
		uint32_t fixed;        /* which of them, a bit each */
		bool valid;            /* no two labels had one name */
	} keys;

	struct table increments; /* the series of delta temporality, by labels and time */

	struct otlp_bound *bounds; /* by position; owned */
	size_t bound_count, bound_cap;
	struct otlp_bound *grid; /* of exponential histograms, made when first needed; owned */

	struct slice *exemplar_messages; /* of the point at hand, in the body; owned */
	size_t exemplar_message_count, exemplar_message_cap;
	struct otlp_exemplar *exemplars; /* likewise, read; sorted by bucket */
	size_t exemplar_count, exemplar_cap, exemplar_next;
};

/* The body is malformed: keeps the error of a reader of its own. Returns -EINVAL. */
static inline int otlp_broken(struct otlp *d, const struct protobuf *p)
{
	d->p = *p;
	return -EINVAL;
}

/* Says why the point at hand is refused. Returns 0. */
int otlp_refuse(struct otlp *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- otlp_metrics.c ---- */

/* Lists a refusal at the place at hand. 0 or -ENOMEM. */
int otlp_reject(struct otlp *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- otlp_point.c ---- */

/* Reads a data point of d->metric.kind into d->point, d->attributes and d->exemplar_messages. 0, or -EINVAL with the error in d->p. */
int otlp_point_read(struct otlp *d, struct slice message);

/* A field that is a double or, `integer`, a signed number of 64 bits. False: it is malformed, p has the error. */
bool otlp_read_number(struct protobuf *p, const struct protobuf_field *f, bool integer, double *out);

/* A field that is a KeyValue, added to d->attributes. False: it is malformed, p has the error. */
bool otlp_read_attribute(struct otlp *d, struct protobuf *p, const struct protobuf_field *f);

/* ---- otlp_labels.c ---- */

/* Makes d->set of d->attributes and the fixed labels whose bits are in `fixed`: job and instance of the resource, the metric's name, `bound` ("le" or "quantile"; no name: none), their values still as long
 * as they may become. Attributes of one name are joined; one that has the name of a fixed label gives way. 1: made; 0: refused, d->why says why; -ENOMEM. */
int otlp_labels_make(struct otlp *d, struct slice bound);

/* Writes d->set with these as the metric's name and the bound (empty: without that label). 1: there it is; -EFBIG, -ENOMEM. */
int otlp_labels_write(struct otlp *d, struct slice name, struct slice bound, struct slice *out);

/* Makes a set of d->attributes alone, for an exemplar, with trace_id and span_id in front (hexadecimal; empty: none). As otlp_labels_make. */
int otlp_labels_exemplar(struct otlp *d, struct slice trace_id, struct slice span_id, struct slice *out);

/* A value's text, UTF-8, in the body or the scratch arena. 1: there it is; 0: refused, d->why says why; -ENOMEM. */
int otlp_labels_value(struct otlp *d, const struct otlp_attribute *a, struct slice *out);

/* ---- otlp_series.c ---- */

/* Takes d->point of d->metric, with d->attributes, into the batch. 1: taken; 0: refused, d->why says why; negative: as for the body. */
int otlp_series_take(struct otlp *d);

/* Adds a series of one sample: the metric's name with a suffix, the bound's text (empty: none), created when the point began. `exemplars`: the batch's. 0, -EFBIG, -ENOMEM. */
int otlp_series_add(struct otlp *d, struct slice suffix, struct slice bound, double value,
                    const struct sample_exemplar *exemplars, uint32_t exemplar_count);

/* Adds metadata to the batch, where it fits. 0, -EFBIG, -ENOMEM. */
int otlp_series_describe(struct otlp *d, const struct sample_metadata *m);

/* _count, _sum and the bucket +Inf, which all histograms have; the exemplars that are left go to the latter. 0 or negative. */
int otlp_series_finish_histogram(struct otlp *d);

/* One more bucket: its number (rising from 0), its bound's text and what it and those before it count. 0 or negative. */
int otlp_series_bucket(struct otlp *d, uint32_t bucket, struct slice bound, uint64_t count);

/* target_info of the resource, whose attributes are in d->attributes. As otlp_series_take. */
int otlp_series_target_info(struct otlp *d);

/* ---- otlp_exponential.c ---- */

/* The buckets of d->point, an exponential histogram. As otlp_series_take; d->set is made. */
int otlp_exponential_take(struct otlp *d);

/* ---- otlp_exemplars.c ---- */

/* Reads d->exemplar_messages into d->exemplars, each with the bucket that `bucket_of` gives for its value, in order of buckets. What is wrong with one leaves it out, with a reject. 0 or negative. */
int otlp_exemplars_read(struct otlp *d, uint32_t (*bucket_of)(const struct otlp *d, double value));

/* Those of the next ones that are in a bucket, copied into the batch. 0 or -ENOMEM. */
int otlp_exemplars_of(struct otlp *d, uint32_t bucket, const struct sample_exemplar **out, uint32_t *count);

#endif
