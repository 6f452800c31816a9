/* See target.h. */
#include "scrape/target.h"

#include <errno.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

static const char *const report_names[REPORTS] = {
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
};

/* What makes a target, while it is gathered: the job's words, and over them those of the group. */
struct draft {
	const char *scheme, *path;
	int64_t interval_ns, timeout_ns;
	struct label labels[2 * LABELS_MAX + 2];
	uint32_t label_count;
	struct config_pair params[LABELS_MAX + CONFIG_PAIRS_MAX + 1]; /* borrowed */
	uint32_t param_count;
};

static void put_label(struct draft *d, const char *name, const char *value)
{
	uint32_t at = 0;

	while (at < d->label_count && !slice_eq(d->labels[at].name, slice_cstr(name)))
		at++;
	d->labels[at] = (struct label){slice_cstr(name), slice_cstr(value)};
	d->label_count += at == d->label_count;
}

static bool has_label(const struct draft *d, struct slice name)
{
	for (uint32_t i = 0; i < d->label_count; i++) {
		if (slice_eq(d->labels[i].name, name) && d->labels[i].value.len > 0)
			return true;
	}
	return false;
}

/* In place of the first value that there is; names stay in order. */
static void put_param(struct draft *d, const char *name, const char *value)
{
	uint32_t at = 0;

	while (at < d->param_count && strcmp(d->params[at].name, name) < 0)
		at++;
	if (at == d->param_count || strcmp(d->params[at].name, name) != 0) {
		memmove(&d->params[at + 1], &d->params[at], (d->param_count - at) * sizeof *d->params);
		d->param_count++;
	}
	d->params[at] = (struct config_pair){(char *)name, (char *)value};
}

static int put_duration(const char *name, const char *text, int64_t *out, struct error *err)
{
	int code = clock_parse_duration(slice_cstr(text), out, err);

	if (code == 0 && (*out < 100 * NS_PER_MS || *out > 86400 * NS_PER_S))
		code = error_set(err, -EINVAL, "found %.40s, wanted a duration up to a day", text);
	if (code != 0)
		error_prefix(err, "%s", name);
	return code;
}

/* A label of the group. */
static int put_group_label(struct draft *d, const char *name, const char *value, struct error *err)
{
	if (strncmp(name, "__", 2) != 0) {
		put_label(d, name, value);
		return 0;
	}
	if (strncmp(name, "__param_", 8) == 0) {
		put_param(d, name + 8, value);
	} else if (strcmp(name, "__scheme__") == 0) {
		d->scheme = value;
	} else if (strcmp(name, "__metrics_path__") == 0) {
		d->path = value;
	} else if (strcmp(name, "__scrape_interval__") == 0) {
		return put_duration(name, value, &d->interval_ns, err);
	} else if (strcmp(name, "__scrape_timeout__") == 0) {
		return put_duration(name, value, &d->timeout_ns, err);
	}
	return 0;
}

static int gather(struct draft *d, const struct config_scrape *job, const char *address,
                  const struct target_file_label *labels, uint32_t label_count, struct error *err)
{
	int code = 0;

	d->scheme = job->scheme == SCHEME_HTTPS ? "https" : "http";
	d->path = job->path;
	d->interval_ns = job->interval_ns;
	d->timeout_ns = job->timeout_ns;
	d->label_count = 0;
	d->param_count = job->params.count;
	for (uint32_t i = 0; i < job->params.count; i++)
		d->params[i] = job->params.items[i];
	for (uint32_t i = 0; i < job->labels.count; i++)
		put_label(d, job->labels.items[i].name, job->labels.items[i].value);
	for (uint32_t i = 0; i < label_count && code == 0; i++)
		code = put_group_label(d, labels[i].name, labels[i].value, err);
	if (!has_label(d, SLICE("job")))
		put_label(d, "job", job->job);
	if (!has_label(d, SLICE("instance")))
		put_label(d, "instance", address);
	return code;
}

static int check(const struct draft *d, const char *address, struct error *err)
{
	if (!config_is_address(address))
		return error_set(err, -EINVAL, "found \"%.100s\", wanted host:port, without scheme and path", address);
	if (strcmp(d->scheme, "http") != 0 && strcmp(d->scheme, "https") != 0)
		return error_set(err, -EINVAL, "__scheme__: found \"%.40s\", wanted http or https", d->scheme);
	if (!config_is_path(d->path))
		return error_set(err, -EINVAL, "__metrics_path__: found \"%.100s\", wanted a path without a query",
		                 d->path);
	if (d->timeout_ns > d->interval_ns)
		return error_set(err, -EINVAL, "the timeout is longer than the interval");
	return 0;
}

static void write_escaped(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		char c = *text;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (plain || strchr("-_.~", c) != NULL)
			buf_byte(out, c);
		else
			buf_printf(out, "%%%02X", (unsigned char)c);
	}
}

static void write_url(const struct draft *d, const char *address, struct buf *out)
{
	buf_printf(out, "%s://%s%s", d->scheme, address, d->path);
	for (uint32_t i = 0; i < d->param_count; i++) {
		buf_byte(out, i == 0 ? '?' : '&');
		write_escaped(out, d->params[i].name);
		buf_byte(out, '=');
		write_escaped(out, d->params[i].value);
	}
	buf_byte(out, '\0');
}

static int make_reports(struct target *t, struct error *err)
{
	size_t ends[REPORTS];

	for (int i = 0; i < REPORTS; i++) {
		struct label name = {LABEL_METRIC_NAME, slice_cstr(report_names[i])};
		char own[64];
		int code = merge_labels(&t->merge, slice_new(own, (size_t)(labels_write(own, &name, 1) - own)),
		                        &t->report_labels, err);
		if (code != 0)
			return code;
		ends[i] = t->report_labels.len;
	}
	for (int i = 0; i < REPORTS; i++) {
		size_t from = i == 0 ? 0 : ends[i - 1];
		t->reports[i].labels = slice_new(t->report_labels.ptr + from, ends[i] - from);
		t->reports[i].hash = labels_hash(t->reports[i].labels);
	}
	return 0;
}

static int make(struct target *t, struct draft *d, const char *address, struct error *err)
{
	struct buf url = {0};

	int code = labels_canonical(d->labels, d->label_count, &t->set, err);
	if (code != 0)
		return code;
	write_url(d, address, &url);
	t->url = buf_failed(&url) ? NULL : mem_strndup(url.ptr, url.len);
	buf_free(&url);
	t->address = mem_strndup(address, strlen(address));
	if (t->url == NULL || t->address == NULL ||
	    merge_init(&t->merge, buf_slice(&t->set), t->job->honor_labels) != 0)
		return error_set(err, -ENOMEM, "no memory for a target");
	t->interval_ns = d->interval_ns;
	t->timeout_ns = d->timeout_ns;
	buf_printf(&t->identity, "%s%c%s%c%lld/%lld%c", t->job->job, 0, t->url, 0, (long long)t->interval_ns,
	           (long long)t->timeout_ns, 0);
	buf_slice_append(&t->identity, buf_slice(&t->set));
	if (buf_failed(&t->identity))
		return error_set(err, -ENOMEM, "no memory for a target");
	t->hash = hash_bytes(t->identity.ptr, t->identity.len, 0);
	return make_reports(t, err);
}

struct target *target_new(const struct config_scrape *job, const char *address, const struct target_file_label *labels,
                          uint32_t label_count, struct error *err)
{
	struct target *t = mem_zalloc(1, sizeof *t);
	struct draft d;

	if (t == NULL) {
		error_set(err, -ENOMEM, "no memory for a target");
		return NULL;
	}
	t->job = job;
	int code = gather(&d, job, address, labels, label_count, err);
	if (code == 0)
		code = check(&d, address, err);
	if (code == 0)
		code = make(t, &d, address, err);
	if (code == 0)
		return t;
	target_free(t);
	return NULL;
}

void target_free(struct target *t)
{
	if (t == NULL)
		return;
	seen_deinit(&t->series);
	merge_deinit(&t->merge);
	buf_free(&t->set);
	buf_free(&t->identity);
	buf_free(&t->report_labels);
	mem_free(t->address);
	mem_free(t->url);
	mem_free(t);
}
