/* The pen: what a line looks like in Prometheus's text format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/) and in OpenMetrics 1.0
 * (https://prometheus.io/docs/specs/om/open_metrics_spec/). Which lines there are is render.c's. */
#include "metrics/exposition.h"

/* Appends `s`; backslashes and line ends always escaped, quotes if asked. */
static void escape(struct buf *out, struct slice s, bool quotes)
{
	size_t from = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (c != '\\' && c != '\n' && (c != '"' || !quotes))
			continue;
		buf_append(out, s.ptr + from, i - from);
		buf_byte(out, '\\');
		buf_byte(out, c == '\n' ? 'n' : c);
		from = i + 1;
	}
	buf_append(out, s.ptr + from, s.len - from);
}

void exposition_escape(struct buf *out, struct slice value)
{
	escape(out, value, true);
}

void exposition_bound(struct buf *out, enum exposition_format format, double v)
{
	size_t from = out->len;

	buf_number_go(out, v);
	if (format != EXPOSITION_OPENMETRICS || buf_failed(out))
		return;
	for (size_t i = from; i < out->len; i++) {
		char c = out->ptr[i];
		if (c != '-' && (c < '0' || c > '9'))
			return; /* a point, an exponent, or a word */
	}
	buf_append(out, ".0", 2);
}

void exposition_seconds(struct buf *out, int64_t ns)
{
	int64_t ms = ns / NS_PER_MS;
	char part[4] = {'.', (char)('0' + ms / 100 % 10), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10)};

	buf_int(out, ms / 1000);
	buf_append(out, part, sizeof part);
}

static struct slice exposed_type(enum metric_type type)
{
	switch (type) {
	case METRIC_COUNTER:
		return SLICE("counter");
	case METRIC_HISTOGRAM:
		return SLICE("histogram");
	case METRIC_SUMMARY:
		return SLICE("summary");
	default:
		return SLICE("gauge");
	}
}

static void comment(struct buf *out, struct slice what, struct slice name)
{
	buf_append(out, "# ", 2);
	buf_slice_append(out, what);
	buf_byte(out, ' ');
	buf_slice_append(out, name);
	buf_byte(out, ' ');
}

static void comment_help(struct buf *out, enum exposition_format format, struct slice name, struct slice help)
{
	if (help.len == 0)
		return;
	comment(out, SLICE("HELP"), name);
	escape(out, help, format == EXPOSITION_OPENMETRICS);
	buf_byte(out, '\n');
}

void exposition_comments(struct buf *out, enum exposition_format format, struct slice name, enum metric_type type,
                         struct slice unit, struct slice help)
{
	if (format == EXPOSITION_TEXT)
		comment_help(out, format, name, help);
	comment(out, SLICE("TYPE"), name);
	buf_slice_append(out, exposed_type(type));
	buf_byte(out, '\n');
	if (format == EXPOSITION_TEXT)
		return;
	if (unit.len != 0) {
		comment(out, SLICE("UNIT"), name);
		buf_slice_append(out, unit);
		buf_byte(out, '\n');
	}
	comment_help(out, format, name, help);
}

/* ---- the gateway's own families ---- */

void exposition_family(struct buf *out, enum exposition_format format, const char *name, enum metric_type type,
                       const char *unit, const char *help)
{
	struct buf full = {0};

	buf_str(&full, name);
	if (type == METRIC_COUNTER && format == EXPOSITION_TEXT)
		buf_str(&full, "_total");
	if (buf_failed(&full))
		out->failed = true;
	else
		exposition_comments(out, format, buf_slice(&full), type, slice_cstr(unit != NULL ? unit : ""),
		                    slice_cstr(help != NULL ? help : ""));
	buf_free(&full);
}

void exposition_sample(struct buf *out, enum exposition_format format, const char *name, enum metric_type type,
                       const struct exposition_label *labels, uint32_t label_count, double v)
{
	char before = '{';

	(void)format; /* samples look the same in both */
	buf_str(out, name);
	if (type == METRIC_COUNTER)
		buf_str(out, "_total");
	for (uint32_t i = 0; i < label_count; i++) {
		if (labels[i].value.len == 0)
			continue;
		buf_byte(out, before);
		buf_str(out, labels[i].name);
		buf_append(out, "=\"", 2);
		exposition_escape(out, labels[i].value);
		buf_byte(out, '"');
		before = ',';
	}
	if (before == ',')
		buf_byte(out, '}');
	buf_byte(out, ' ');
	buf_number(out, v);
	buf_byte(out, '\n');
}

void exposition_end(struct buf *out, enum exposition_format format)
{
	if (format == EXPOSITION_OPENMETRICS)
		buf_append(out, "# EOF\n", 6);
}
