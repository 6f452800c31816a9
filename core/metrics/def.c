/* Definitions: what a script may say of a metric, checked; and kept, as one block.
 *
 * Names follow Prometheus's data model, and the stricter of its two text formats: what OpenMetrics would refuse is
 * refused here, so that both formats show the same metrics. */
#include <errno.h>

#include "metrics/internal.h"
#include "metrics/labels.h"

enum { NAME_MAX_LEN = 256, LABEL_NAME_MAX = 128, HELP_MAX = 4096, UNIT_MAX = 64, WHERE_MAX = 8192, SHOWN_MAX = 100 };

#define WINDOW_MIN NS_PER_S
#define WINDOW_MAX (INT64_C(400) * 24 * 3600 * NS_PER_S)

const char *metric_type_name(enum metric_type type)
{
	static const char *const names[] = {"",         "counter", "gauge", "histogram", "summary",
	                                    "distinct", "topk",    "ratio", "mean"};

	return type >= METRIC_COUNTER && type <= METRIC_MEAN ? names[type] : names[0];
}

/* printf("%.*s") of a name that may be anything. */
#define SHOWN(s) (int)((s).len < SHOWN_MAX ? (s).len : SHOWN_MAX), ((s).len != 0 ? (s).ptr : "")

static bool slice_ends(struct slice s, struct slice end)
{
	return s.len >= end.len && memcmp(s.ptr + s.len - end.len, end.ptr, end.len) == 0;
}

static bool slice_begins(struct slice s, struct slice begin)
{
	return s.len >= begin.len && memcmp(s.ptr, begin.ptr, begin.len) == 0;
}

struct slice metric_base_name(enum metric_type type, struct slice name)
{
	struct slice total = SLICE("_total");

	if (type == METRIC_COUNTER && name.len > total.len && slice_ends(name, total))
		name.len -= total.len;
	return name;
}

static bool word_char(char c, bool first, bool colon)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':'))
		return true;
	return !first && c >= '0' && c <= '9';
}

static bool is_word(struct slice s, bool colon)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!word_char(s.ptr[i], i == 0, colon))
			return false;
	}
	return s.len != 0;
}

static int check_name(const struct metric_def *def, struct error *err)
{
	struct slice own = SLICE("moongate_");
	/* What the gateway shows of its process, as all Prometheus clients name it. */
	static const char *const process[] = {"process_cpu_seconds", "process_resident_memory_bytes",
	                                      "process_open_fds"};

	for (size_t i = 0; i < sizeof process / sizeof *process; i++) {
		if (slice_eq(metric_base_name(METRIC_COUNTER, def->name), slice_cstr(process[i])))
			return error_set(err, -EINVAL, "metric name \"%.*s\" is the gateway's own", SHOWN(def->name));
	}
	if (!is_word(def->name, true))
		return error_set(err, -EINVAL,
		                 "metric name \"%.*s\": wanted letters, digits, _ and :, not beginning with a digit",
		                 SHOWN(def->name));
	if (def->name.len > NAME_MAX_LEN)
		return error_set(err, -EINVAL, "metric name \"%.*s…\" has %zu bytes: wanted at most %d",
		                 SHOWN(def->name), def->name.len, NAME_MAX_LEN);
	if (slice_begins(def->name, own))
		return error_set(err, -EINVAL,
		                 "metric name \"%.*s\": names that begin with moongate_ are the gateway's own",
		                 SHOWN(def->name));
	return 0;
}

static int check_help(const struct metric_def *def, struct error *err)
{
	size_t chars = 0;

	if (def->help.len > HELP_MAX)
		return error_set(err, -EINVAL, "metric \"%.*s\": help has %zu bytes: wanted at most %d",
		                 SHOWN(def->name), def->help.len, HELP_MAX);
	if (!utf8_valid(def->help, &chars))
		return error_set(err, -EINVAL, "metric \"%.*s\": help is not UTF-8", SHOWN(def->name));
	return 0;
}

static int check_unit(const struct metric_def *def, struct error *err)
{
	struct slice base = metric_base_name(def->type, def->name);
	struct slice stem = metric_base_name(METRIC_COUNTER, def->name);
	struct slice unit = def->unit;
	const char *end = def->type == METRIC_COUNTER ? "_total" : "";

	if (unit.len == 0)
		return 0;
	if (unit.len > UNIT_MAX || !is_word(unit, true))
		return error_set(err, -EINVAL,
		                 "metric \"%.*s\": unit \"%.*s\": wanted a word such as seconds, bytes or usd",
		                 SHOWN(def->name), SHOWN(unit));
	if (base.len > unit.len + 1 && slice_ends(base, unit) && base.ptr[base.len - unit.len - 1] == '_')
		return 0;
	return error_set(err, -EINVAL,
	                 "metric \"%.*s\": a %s with unit \"%.*s\" must be named so: wanted \"%.*s_%.*s%s\"",
	                 SHOWN(def->name), metric_type_name(def->type), SHOWN(unit), SHOWN(stem), SHOWN(unit), end);
}

static int check_label(const struct metric_def *def, uint32_t i, struct error *err)
{
	struct slice label = def->labels[i];

	if (!is_word(label, false) || label.len > LABEL_NAME_MAX)
		return error_set(err, -EINVAL,
		                 "metric \"%.*s\": label name \"%.*s\": wanted letters, digits and _, at most %d, not "
		                 "beginning with a digit",
		                 SHOWN(def->name), SHOWN(label), LABEL_NAME_MAX);
	if (slice_begins(label, SLICE("__")) || slice_eq(label, SLICE("le")) || slice_eq(label, SLICE("quantile")) ||
	    slice_eq(label, SLICE("moongate_overflow")))
		return error_set(err, -EINVAL,
		                 "metric \"%.*s\": label name \"%.*s\" is reserved (so are le, quantile, "
		                 "moongate_overflow and all that begin with __)",
		                 SHOWN(def->name), SHOWN(label));
	for (uint32_t j = 0; j < i; j++) {
		if (slice_eq(label, def->labels[j]))
			return error_set(err, -EINVAL, "metric \"%.*s\": label \"%.*s\" is named twice",
			                 SHOWN(def->name), SHOWN(label));
	}
	return 0;
}

static int check_labels(const struct metric_def *def, struct error *err)
{
	if (def->label_count > METRIC_LABELS_MAX)
		return error_set(err, -EINVAL, "metric \"%.*s\" has %u labels: wanted at most %d", SHOWN(def->name),
		                 def->label_count, METRIC_LABELS_MAX);
	for (uint32_t i = 0; i < def->label_count; i++) {
		int rc = check_label(def, i, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int check_buckets(const struct metric_def *def, struct error *err)
{
	if (def->bucket_count == 0 || def->bucket_count > METRIC_BUCKETS_MAX)
		return error_set(err, -EINVAL, "metric \"%.*s\" has %u buckets: wanted 1 to %d", SHOWN(def->name),
		                 def->bucket_count, METRIC_BUCKETS_MAX);
	for (uint32_t i = 0; i < def->bucket_count; i++) {
		if (!isfinite(def->buckets[i]))
			return error_set(err, -EINVAL,
			                 "metric \"%.*s\": bucket %u is %g: wanted finite numbers (+Inf is implied)",
			                 SHOWN(def->name), i + 1, def->buckets[i]);
		if (i > 0 && def->buckets[i] <= def->buckets[i - 1])
			return error_set(err, -EINVAL,
			                 "metric \"%.*s\": bucket %u is %g after %g: wanted rising numbers",
			                 SHOWN(def->name), i + 1, def->buckets[i], def->buckets[i - 1]);
	}
	return 0;
}

static int check_quantiles(const struct metric_def *def, struct error *err)
{
	if (def->quantile_count > METRIC_QUANTILES_MAX)
		return error_set(err, -EINVAL, "metric \"%.*s\" has %u quantiles: wanted at most %d", SHOWN(def->name),
		                 def->quantile_count, METRIC_QUANTILES_MAX);
	for (uint32_t i = 0; i < def->quantile_count; i++) {
		double q = def->quantiles[i];
		if (!(q >= 0 && q <= 1))
			return error_set(err, -EINVAL, "metric \"%.*s\": quantile %u is %g: wanted 0 to 1",
			                 SHOWN(def->name), i + 1, q);
		if (i > 0 && q <= def->quantiles[i - 1])
			return error_set(err, -EINVAL,
			                 "metric \"%.*s\": quantile %u is %g after %g: wanted rising numbers",
			                 SHOWN(def->name), i + 1, q, def->quantiles[i - 1]);
	}
	return 0;
}

static int check_window(const struct metric_def *def, struct error *err)
{
	if (def->window_ns >= WINDOW_MIN && def->window_ns <= WINDOW_MAX)
		return 0;
	return error_set(err, -EINVAL, "metric \"%.*s\": window of %g s: wanted 1 s to 400 days", SHOWN(def->name),
	                 (double)def->window_ns / (double)NS_PER_S);
}

/* What only this type has. */
static int check_type(const struct metric_def *def, struct error *err)
{
	switch (def->type) {
	case METRIC_COUNTER:
	case METRIC_GAUGE:
		return 0;
	case METRIC_HISTOGRAM:
		return check_buckets(def, err);
	case METRIC_SUMMARY:
		return check_window(def, err) != 0 ? -EINVAL : check_quantiles(def, err);
	case METRIC_RATIO:
	case METRIC_MEAN:
		return check_window(def, err);
	case METRIC_DISTINCT:
		if (def->period == CALENDAR_DAY || def->period == CALENDAR_WEEK || def->period == CALENDAR_MONTH)
			return 0;
		return error_set(err, -EINVAL, "metric \"%.*s\": period %d: wanted a day, week or month",
		                 SHOWN(def->name), (int)def->period);
	case METRIC_TOPK:
		if (def->k >= 1 && def->k <= METRIC_TOPK_MAX)
			return 0;
		return error_set(err, -EINVAL, "metric \"%.*s\": k is %u: wanted 1 to %d", SHOWN(def->name), def->k,
		                 METRIC_TOPK_MAX);
	}
	return error_set(err, -EINVAL, "metric \"%.*s\": type %d is none that there is", SHOWN(def->name),
	                 (int)def->type);
}

int metric_def_check(const struct metric_def *def, struct error *err)
{
	int rc = check_name(def, err);

	if (rc == 0)
		rc = check_type(def, err);
	if (rc == 0)
		rc = check_help(def, err);
	if (rc == 0)
		rc = check_unit(def, err);
	if (rc == 0)
		rc = check_labels(def, err);
	if (rc == 0 && def->where.len > WHERE_MAX)
		rc = error_set(err, -EINVAL, "metric \"%.*s\": its place has %zu bytes: wanted at most %d",
		               SHOWN(def->name), def->where.len, WHERE_MAX);
	if (rc == 0 && def->idle_ns < 0)
		rc = error_set(err, -EINVAL, "metric \"%.*s\": idle of %g s: wanted 0 (never) or more",
		               SHOWN(def->name), (double)def->idle_ns / (double)NS_PER_S);
	return rc;
}

static bool same_labels(const struct metric_def *a, const struct metric_def *b)
{
	if (a->label_count != b->label_count)
		return false;
	for (uint32_t i = 0; i < a->label_count; i++) {
		if (!slice_eq(a->labels[i], b->labels[i]))
			return false;
	}
	return true;
}

static bool same_numbers(const double *a, uint32_t a_count, const double *b, uint32_t b_count)
{
	if (a_count != b_count)
		return false;
	for (uint32_t i = 0; i < a_count; i++) {
		if (a[i] != b[i])
			return false;
	}
	return true;
}

/* What differs, or NULL. */
static const char *difference(const struct metric_def *a, const struct metric_def *b)
{
	bool window = a->type == METRIC_SUMMARY || a->type == METRIC_RATIO || a->type == METRIC_MEAN;

	if (!same_labels(a, b))
		return "labels";
	if (a->type == METRIC_HISTOGRAM && !same_numbers(a->buckets, a->bucket_count, b->buckets, b->bucket_count))
		return "buckets";
	if (a->type == METRIC_SUMMARY &&
	    !same_numbers(a->quantiles, a->quantile_count, b->quantiles, b->quantile_count))
		return "quantiles";
	if (window && a->window_ns != b->window_ns)
		return "window";
	if (a->type == METRIC_DISTINCT && a->period != b->period)
		return "period";
	if (a->type == METRIC_TOPK && a->k != b->k)
		return "k";
	return NULL;
}

/* " at metrics/cost.lua:4", or nothing. */
#define AT(def) (def)->where.len != 0 ? " at " : "", SHOWN((def)->where)

int metric_def_compatible(const struct metric_def *old, const struct metric_def *new_, struct error *err)
{
	if (old->type != new_->type)
		return error_set(err, -EEXIST, "metric \"%.*s\" is a %s%s%.*s and a %s%s%.*s: wanted one type",
		                 SHOWN(new_->name), metric_type_name(old->type), AT(old), metric_type_name(new_->type),
		                 AT(new_));
	const char *what = difference(old, new_);
	if (what == NULL)
		return 0;
	struct buf text = {0};
	buf_printf(&text, "metric \"%.*s\" has other %s%s%.*s than%s%.*s", SHOWN(new_->name), what, AT(new_), AT(old));
	if (strcmp(what, "labels") == 0) {
		for (int side = 0; side < 2; side++) {
			const struct metric_def *def = side == 0 ? new_ : old;
			buf_str(&text, side == 0 ? ": {" : " against {");
			for (uint32_t i = 0; i < def->label_count; i++)
				buf_printf(&text, "%s%.*s", i != 0 ? "," : "", SHOWN(def->labels[i]));
			buf_byte(&text, '}');
		}
	}
	int rc = error_set(err, -EEXIST, "%.*s", SLICE_ARG(buf_slice(&text)));
	buf_free(&text);
	return rc;
}

/* ---- names that a family takes ---- */

/* The suffixes behind the base name that a type's samples have, over both formats. "" is the family itself. */
static const struct slice *suffixes(enum metric_type type, uint32_t *count)
{
	static const struct slice counter[] = {{"", 0}, {"_total", 6}, {"_created", 8}};
	static const struct slice histogram[] = {{"", 0}, {"_bucket", 7}, {"_count", 6}, {"_sum", 4}, {"_created", 8}};
	static const struct slice summary[] = {{"", 0}, {"_count", 6}, {"_sum", 4}, {"_created", 8}};

	if (type == METRIC_COUNTER) {
		*count = 3;
		return counter;
	}
	if (type == METRIC_HISTOGRAM) {
		*count = 5;
		return histogram;
	}
	*count = type == METRIC_SUMMARY ? 4 : 1;
	return summary;
}

bool meta_names_clash(const struct metric_def *a, const struct metric_def *b)
{
	struct slice base_a = metric_base_name(a->type, a->name);
	struct slice base_b = metric_base_name(b->type, b->name);
	size_t common = base_a.len < base_b.len ? base_a.len : base_b.len;
	uint32_t count_a, count_b;

	if (memcmp(base_a.ptr, base_b.ptr, common) != 0)
		return false;
	const struct slice *of_a = suffixes(a->type, &count_a);
	const struct slice *of_b = suffixes(b->type, &count_b);
	for (uint32_t i = 0; i < count_a * count_b; i++) {
		struct slice end_a = of_a[i / count_b];
		struct slice end_b = of_b[i % count_b];
		if (base_a.len + end_a.len != base_b.len + end_b.len)
			continue;
		/* The longer base ends in the rest of the other's suffix. */
		struct slice rest_a = slice_new(base_a.ptr + common, base_a.len - common);
		struct slice rest_b = slice_new(base_b.ptr + common, base_b.len - common);
		if (slice_begins(end_b, rest_a) && slice_begins(end_a, rest_b) &&
		    slice_eq(slice_new(end_b.ptr + rest_a.len, end_b.len - rest_a.len),
		             slice_new(end_a.ptr + rest_b.len, end_a.len - rest_b.len)))
			return true;
	}
	return false;
}

/* ---- keeping ---- */

static struct slice keep(char **at, struct slice s)
{
	struct slice kept = slice_new(*at, s.len);

	if (s.len != 0)
		memcpy(*at, s.ptr, s.len);
	*at += s.len;
	return kept;
}

static const double *keep_numbers(char **at, const double *numbers, uint32_t count)
{
	void *kept = *at;

	if (count != 0)
		memcpy(kept, numbers, count * sizeof *numbers);
	*at += count * sizeof *numbers;
	return kept;
}

/* Only what the type has is kept. */
static void keep_limits(struct metric_def *to, const struct metric_def *def)
{
	bool window = def->type == METRIC_SUMMARY || def->type == METRIC_RATIO || def->type == METRIC_MEAN;

	to->type = def->type;
	to->label_count = def->label_count;
	to->bucket_count = def->type == METRIC_HISTOGRAM ? def->bucket_count : 0;
	to->quantile_count = def->type == METRIC_SUMMARY ? def->quantile_count : 0;
	to->window_ns = window ? def->window_ns : 0;
	to->period = def->type == METRIC_DISTINCT ? def->period : CALENDAR_DAY;
	to->k = def->type == METRIC_TOPK ? def->k : 0;
	to->max_series = def->max_series != 0 ? def->max_series : METRIC_SERIES_MAX_DEFAULT;
	to->idle_ns = def->idle_ns;
}

struct metric_meta *meta_new(struct registry *r, const struct metric_def *def)
{
	struct metric_def kept = {0};
	size_t size = sizeof(struct metric_meta);

	keep_limits(&kept, def);
	size += kept.label_count * sizeof *kept.labels;
	size += (kept.bucket_count + kept.quantile_count) * sizeof(double);
	size += def->name.len + def->help.len + def->unit.len + def->where.len;
	for (uint32_t i = 0; i < kept.label_count; i++)
		size += def->labels[i].len;
	struct metric_meta *meta = registry_block(r, size);
	if (meta == NULL)
		return NULL;
	char *at = (char *)(meta + 1);
	struct slice *labels = (void *)at;
	at += kept.label_count * sizeof *labels;
	kept.labels = labels;
	kept.buckets = keep_numbers(&at, def->buckets, kept.bucket_count);
	kept.quantiles = keep_numbers(&at, def->quantiles, kept.quantile_count);
	for (uint32_t i = 0; i < kept.label_count; i++)
		labels[i] = keep(&at, def->labels[i]);
	kept.name = keep(&at, def->name);
	kept.help = keep(&at, def->help);
	kept.unit = keep(&at, def->unit);
	kept.where = keep(&at, def->where);
	meta->size = size;
	meta->def = kept;
	meta->base = metric_base_name(kept.type, kept.name);
	return meta;
}
