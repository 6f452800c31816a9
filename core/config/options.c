/* The table of options, and setting one from text, number or truth. */
#include "config/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/distance.h"
#include "base/mem.h"

static const char *const durabilities[] = {"group", "interval", NULL};
static const char *const levels[] = {"debug", "info", "warn", "error", "fatal", NULL};

#define AT(field) offsetof(struct config, field)
#define KIB 1024.0
#define MIB (1024.0 * 1024)
#define GIB (1024.0 * 1024 * 1024)
#define DAY 86400.0

const struct option options[] = {
    {"listen", OPTION_STRING, AT(listen), 0, 0, "127.0.0.1:4318", NULL},
    {"data", OPTION_STRING, AT(data), 0, 0, "data", NULL},
    {"scripts", OPTION_STRING, AT(scripts), 0, 0, "scripts", NULL},
    {"plugins", OPTION_STRING, AT(plugins), 0, 0, "plugins", NULL},
    {"threads", OPTION_COUNT, AT(threads), 1, 256, NULL, NULL},
    {"timezone", OPTION_STRING, AT(timezone), 0, 0, "UTC", NULL},
    {"watch", OPTION_BOOL, AT(watch), 0, 0, "false", NULL},
    {"allow_anonymous", OPTION_BOOL, AT(allow_anonymous), 0, 0, "false", NULL},
    {"http.header_bytes", OPTION_SIZE32, AT(http.header_bytes), 1 * KIB, 1 * MIB, "16KiB", NULL},
    {"http.body_bytes", OPTION_SIZE, AT(http.body_bytes), 1 * KIB, 1 * GIB, "16MiB", NULL},
    {"http.bodies_bytes", OPTION_SIZE, AT(http.bodies_bytes), 64 * KIB, 1024 * GIB, "64MiB", NULL},
    {"http.max_connections", OPTION_COUNT, AT(http.max_connections), 1, 1e6, "10000", NULL},
    {"http.header_timeout", OPTION_DURATION, AT(http.header_timeout_ns), 0.01, 3600, "10s", NULL},
    {"http.body_timeout", OPTION_DURATION, AT(http.body_timeout_ns), 0.01, 3600, "30s", NULL},
    {"http.idle_timeout", OPTION_DURATION, AT(http.idle_timeout_ns), 0.01, DAY, "75s", NULL},
    {"http.write_timeout", OPTION_DURATION, AT(http.write_timeout_ns), 0.01, 3600, "10s", NULL},
    {"http.rate", OPTION_COUNT, AT(http.rate), 0, CONFIG_RATE_MAX, "0", NULL},
    {"http.burst", OPTION_COUNT, AT(http.burst), 0, CONFIG_RATE_MAX, "0", NULL},
    {"events.depth", OPTION_COUNT, AT(events.depth), 1, 128, "32", NULL},
    {"events.fields", OPTION_COUNT, AT(events.fields), 1, 4096, "1024", NULL},
    {"events.key_bytes", OPTION_SIZE32, AT(events.key_bytes), 1, 64 * KIB, "256", NULL},
    {"events.string_bytes", OPTION_SIZE32, AT(events.string_bytes), 1, 16 * MIB, "64KiB", NULL},
    {"events.event_bytes", OPTION_SIZE32, AT(events.event_bytes), 64, 16 * MIB, "1MiB", NULL},
    {"events.per_body", OPTION_COUNT, AT(events.per_body), 1, 1e7, "100000", NULL},
    {"spans.depth", OPTION_COUNT, AT(spans.depth), 1, 100, "32", NULL},
    {"spans.values", OPTION_COUNT, AT(spans.values), 1, 65536, "4096", NULL},
    {"spans.key_bytes", OPTION_SIZE32, AT(spans.key_bytes), 1, 64 * KIB, "256", NULL},
    {"spans.string_bytes", OPTION_SIZE32, AT(spans.string_bytes), 1, 16 * MIB, "1MiB", NULL},
    {"spans.span_bytes", OPTION_SIZE32, AT(spans.span_bytes), 64, 16 * MIB, "4MiB", NULL},
    {"spans.per_body", OPTION_COUNT, AT(spans.per_body), 1, 1e7, "100000", NULL},
    {"journal.durability", OPTION_CHOICE, AT(journal.durability), 0, 0, "group", durabilities},
    {"journal.queue_bytes", OPTION_SIZE, AT(journal.queue_bytes), 1 * MIB, 1024 * GIB, "64MiB", NULL},
    {"journal.segment_bytes", OPTION_SIZE, AT(journal.segment_bytes), 1 * MIB, 4 * GIB, "16MiB", NULL},
    {"journal.retention_bytes", OPTION_SIZE, AT(journal.retention_bytes), 2 * MIB, 1e15, "10GiB", NULL},
    {"journal.retention", OPTION_DURATION, AT(journal.retention_ns), 1, 36500 * DAY, "7d", NULL},
    {"journal.audit_retention", OPTION_DURATION, AT(journal.audit_retention_ns), 1, 36500 * DAY, "365d", NULL},
    {"journal.checkpoint", OPTION_DURATION, AT(journal.checkpoint_ns), 0.1, DAY, "60s", NULL},
    {"dedup.window", OPTION_DURATION, AT(dedup.window_ns), 1, 7 * DAY, "10m", NULL},
    {"dedup.max", OPTION_COUNT, AT(dedup.max), 1000, 1e9, "2000000", NULL},
    {"limits.call_ms", OPTION_COUNT, AT(limits.call_ms), 1, 60000, "100", NULL},
    {"limits.load_ms", OPTION_COUNT, AT(limits.load_ms), 10, 60000, "1000", NULL},
    {"limits.memory_mb", OPTION_COUNT, AT(limits.memory_mb), 1, 65536, "32", NULL},
    {"limits.strikes", OPTION_COUNT, AT(limits.strikes), 1, 1000, "3", NULL},
    {"limits.state_mb", OPTION_COUNT, AT(limits.state_mb), 1, 65536, "16", NULL},
    {"metrics.max_series", OPTION_COUNT, AT(metrics.max_series), 100, 1e8, "1000000", NULL},
    {"store.retention", OPTION_DURATION, AT(store.retention_ns), 3600, 36500 * DAY, "15d", NULL},
    {"store.retention_bytes", OPTION_SIZE, AT(store.retention_bytes), 1 * MIB, 1e15, "10GiB", NULL},
    {"store.out_of_order", OPTION_DURATION, AT(store.out_of_order_ns), 0.001, DAY, "10m", NULL},
    {"store.resolution", OPTION_DURATION, AT(store.resolution_ns), 1, 3600, "5s", NULL},
    {"store.idle", OPTION_DURATION, AT(store.idle_ns), 60, 36500 * DAY, "1h", NULL},
    {"store.max_series", OPTION_COUNT, AT(store.max_series), 100, 1e8, "1000000", NULL},
    {"store.max_series_per_metric", OPTION_COUNT, AT(store.max_series_per_metric), 1, 1e8, "200000", NULL},
    {"store.exemplars", OPTION_COUNT, AT(store.exemplars), 1, 1e7, "100000", NULL},
    {"traces.settle", OPTION_DURATION, AT(traces.settle_ns), 0.1, 3600, "5s", NULL},
    {"traces.max_age", OPTION_DURATION, AT(traces.max_age_ns), 1, DAY, "10m", NULL},
    {"traces.max_bytes", OPTION_SIZE, AT(traces.max_bytes), 16 * MIB, 1024 * GIB, "256MiB", NULL},
    {"traces.max_spans", OPTION_COUNT, AT(traces.max_spans), 1, 1e7, "100000", NULL},
    {"query.timeout", OPTION_DURATION, AT(query.timeout_ns), 0.01, 3600, "30s", NULL},
    {"query.lookback", OPTION_DURATION, AT(query.lookback_ns), 0.001, 7 * DAY, "5m", NULL},
    {"query.max_concurrency", OPTION_COUNT, AT(query.max_concurrency), 1, 64, "2", NULL},
    {"query.max_samples", OPTION_COUNT, AT(query.max_samples), 1000, 4e9, "50000000", NULL},
    {"query.max_bytes", OPTION_SIZE, AT(query.max_bytes), 1 * MIB, 1e15, "128MiB", NULL},
    {"rules.files", OPTION_TEXTS, AT(rules.files), 0, 0, NULL, NULL},
    {"rules.interval", OPTION_DURATION, AT(rules.interval_ns), 0.1, DAY, "1m", NULL},
    {"rules.query_offset", OPTION_DURATION, AT(rules.query_offset_ns), 0, DAY, "0s", NULL},
    {"rules.external_labels", OPTION_PAIRS, AT(rules.external_labels), 0, 0, NULL, NULL},
    {"rules.external_url", OPTION_PATH, AT(rules.external_url), 0, 0, NULL, NULL},
    {"log.level", OPTION_CHOICE, AT(log.level), 0, 0, "info", levels},
    {"log.stdout", OPTION_BOOL, AT(log.to_stdout), 0, 0, "true", NULL},
    {"log.file", OPTION_PATH, AT(log.file), 0, 0, NULL, NULL},
    {"log.errors_file", OPTION_PATH, AT(log.errors_file), 0, 0, NULL, NULL},
    {"log.sample_first", OPTION_COUNT, AT(log.sample_first), 0, 1e9, "100", NULL},
    {"log.sample_then", OPTION_COUNT, AT(log.sample_then), 1, 1e9, "100", NULL},
    {"health.min_free_bytes", OPTION_SIZE, AT(health.min_free_bytes), 0, 1e15, "256MiB", NULL},
    {"health.max_memory_bytes", OPTION_SIZE, AT(health.max_memory_bytes), 0, 1e15, "0", NULL},
};
const size_t option_count = sizeof options / sizeof *options;

static const char *const schemes[] = {"http", "https", NULL};

#define OF_SCRAPE(field) offsetof(struct config_scrape, field)

static const struct option scrape_options[] = {
    {"job", OPTION_STRING, OF_SCRAPE(job), 0, 0, NULL, NULL},
    {"targets", OPTION_TEXTS, OF_SCRAPE(targets), 0, 0, NULL, NULL},
    {"files", OPTION_TEXTS, OF_SCRAPE(files), 0, 0, NULL, NULL},
    {"labels", OPTION_PAIRS, OF_SCRAPE(labels), 0, 0, NULL, NULL},
    {"interval", OPTION_DURATION, OF_SCRAPE(interval_ns), 0.1, DAY, "15s", NULL},
    {"timeout", OPTION_DURATION, OF_SCRAPE(timeout_ns), 0.01, DAY, NULL, NULL},
    {"scheme", OPTION_CHOICE, OF_SCRAPE(scheme), 0, 0, "http", schemes},
    {"path", OPTION_STRING, OF_SCRAPE(path), 0, 0, "/metrics", NULL},
    {"params", OPTION_MULTIPAIRS, OF_SCRAPE(params), 0, 0, NULL, NULL},
    {"headers", OPTION_PAIRS, OF_SCRAPE(headers), 0, 0, NULL, NULL},
    {"honor_labels", OPTION_BOOL, OF_SCRAPE(honor_labels), 0, 0, "false", NULL},
    {"honor_timestamps", OPTION_BOOL, OF_SCRAPE(honor_timestamps), 0, 0, "true", NULL},
    {"follow_redirects", OPTION_BOOL, OF_SCRAPE(follow_redirects), 0, 0, "true", NULL},
    {"sample_limit", OPTION_COUNT, OF_SCRAPE(sample_limit), 0, 1e9, "0", NULL},
    {"body_bytes", OPTION_SIZE, OF_SCRAPE(body_bytes), 1 * KIB, 1 * GIB, "16MiB", NULL},
    {"tls.ca", OPTION_PATH, OF_SCRAPE(tls.ca), 0, 0, NULL, NULL},
    {"tls.cert", OPTION_PATH, OF_SCRAPE(tls.cert), 0, 0, NULL, NULL},
    {"tls.key", OPTION_PATH, OF_SCRAPE(tls.key), 0, 0, NULL, NULL},
    {"tls.server_name", OPTION_PATH, OF_SCRAPE(tls.server_name), 0, 0, NULL, NULL},
    {"tls.insecure", OPTION_BOOL, OF_SCRAPE(tls.insecure), 0, 0, "false", NULL},
    {"basic_auth.username", OPTION_PATH, OF_SCRAPE(basic_auth.username), 0, 0, NULL, NULL},
    {"basic_auth.password", OPTION_PATH, OF_SCRAPE(basic_auth.password), 0, 0, NULL, NULL},
    {"basic_auth.password_file", OPTION_PATH, OF_SCRAPE(basic_auth.password_file), 0, 0, NULL, NULL},
    {"bearer_token", OPTION_PATH, OF_SCRAPE(bearer_token), 0, 0, NULL, NULL},
    {"bearer_token_file", OPTION_PATH, OF_SCRAPE(bearer_token_file), 0, 0, NULL, NULL},
};
const struct option_table options_of_scrape = {scrape_options, sizeof scrape_options / sizeof *scrape_options};

const struct option *option_find(struct option_table table, const char *key)
{
	for (size_t i = 0; i < table.count; i++) {
		if (strcmp(table.rows[i].key, key) == 0)
			return &table.rows[i];
	}
	return NULL;
}

const char *option_suggest(struct option_table table, const char *key)
{
	const char *best = NULL;
	unsigned nearest = distance_near(key) + 1;
	for (size_t i = 0; i < table.count; i++) {
		unsigned d = distance(key, table.rows[i].key);
		if (d < nearest) {
			nearest = d;
			best = table.rows[i].key;
		}
	}
	return best;
}

int option_set_defaults(void *of, struct option_table table, struct error *err)
{
	int code = 0;
	for (size_t i = 0; i < table.count && code == 0; i++) {
		if (table.rows[i].by_default != NULL)
			code = option_set_text(of, &table.rows[i], table.rows[i].by_default, err);
	}
	return code;
}

static void free_texts(struct config_texts *t)
{
	for (uint32_t i = 0; i < t->count; i++)
		mem_free(t->items[i]);
	mem_free(t->items);
	*t = (struct config_texts){0};
}

static void free_pairs(struct config_pairs *p)
{
	for (uint32_t i = 0; i < p->count; i++) {
		mem_free(p->items[i].name);
		mem_free(p->items[i].value);
	}
	mem_free(p->items);
	*p = (struct config_pairs){0};
}

void option_free(void *of, struct option_table table)
{
	for (size_t i = 0; i < table.count; i++) {
		void *at = (char *)of + table.rows[i].offset;
		enum option_type type = table.rows[i].type;
		if (type == OPTION_STRING || type == OPTION_PATH) {
			mem_free(*(char **)at);
			*(char **)at = NULL;
		} else if (type == OPTION_TEXTS) {
			free_texts(at);
		} else if (type == OPTION_PAIRS || type == OPTION_MULTIPAIRS) {
			free_pairs(at);
		}
	}
}

int config_texts_add(struct config_texts *t, const char *text)
{
	char **grown = mem_realloc(t->items, (t->count + 1) * sizeof *grown);
	if (grown == NULL)
		return -ENOMEM;
	t->items = grown;
	t->items[t->count] = mem_strndup(text, strlen(text));
	if (t->items[t->count] == NULL)
		return -ENOMEM;
	t->count++;
	return 0;
}

int config_pairs_add(struct config_pairs *p, const char *name, const char *value)
{
	struct config_pair *grown = mem_realloc(p->items, (p->count + 1) * sizeof *grown);
	if (grown == NULL)
		return -ENOMEM;
	p->items = grown;
	struct config_pair pair = {mem_strndup(name, strlen(name)), mem_strndup(value, strlen(value))};
	if (pair.name == NULL || pair.value == NULL) {
		mem_free(pair.name);
		mem_free(pair.value);
		return -ENOMEM;
	}
	p->items[p->count++] = pair;
	return 0;
}

const char *option_wanted(const struct option *o)
{
	static _Thread_local char text[160];
	switch (o->type) {
	case OPTION_BOOL:
		return "true or false";
	case OPTION_STRING:
		return "a text that is not empty";
	case OPTION_PATH:
		return "a path";
	case OPTION_SIZE:
	case OPTION_SIZE32:
		snprintf(text, sizeof text, "a size from %.0f to %.0f bytes, such as 16777216 or \"16MiB\"", o->min,
		         o->max);
		return text;
	case OPTION_COUNT:
		snprintf(text, sizeof text, "a whole number from %.0f to %.0f", o->min, o->max);
		return text;
	case OPTION_DURATION:
		snprintf(text, sizeof text, "a duration from %g to %.0f seconds, such as 10 or \"10s\"", o->min,
		         o->max);
		return text;
	case OPTION_TEXTS:
		return "a list of texts";
	case OPTION_PAIRS:
		return "a table of names with a text each";
	case OPTION_MULTIPAIRS:
		return "a table of names with a text, or a list of texts, each";
	case OPTION_CHOICE:
		break;
	}
	size_t used = 0;
	text[0] = '\0';
	for (int i = 0; o->choices[i] != NULL; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s\"%s\"", i > 0 ? ", " : "one of ",
		                         o->choices[i]);
	return text;
}

static int refuse(const struct option *o, struct error *err, const char *found)
{
	return error_set(err, -EINVAL, "%s: found %s, wanted %s", o->key, found, option_wanted(o));
}

int option_set_number(void *of, const struct option *o, double v, struct error *err)
{
	void *at = (char *)of + o->offset;
	char found[32];
	snprintf(found, sizeof found, "%.15g", v);
	bool is_number =
	    o->type == OPTION_SIZE || o->type == OPTION_SIZE32 || o->type == OPTION_COUNT || o->type == OPTION_DURATION;
	if (!is_number || !(v >= o->min && v <= o->max))
		return refuse(o, err, found);
	if (o->type != OPTION_DURATION && v != floor(v))
		return refuse(o, err, found);
	if (o->type == OPTION_DURATION)
		*(int64_t *)at = (int64_t)(v * 1e9);
	else if (o->type == OPTION_SIZE)
		*(uint64_t *)at = (uint64_t)v;
	else
		*(uint32_t *)at = (uint32_t)v;
	return 0;
}

int option_set_bool(void *of, const struct option *o, bool v, struct error *err)
{
	if (o->type != OPTION_BOOL)
		return refuse(o, err, v ? "true" : "false");
	*(bool *)((char *)of + o->offset) = v;
	return 0;
}

static bool parse_size(const char *text, double *bytes)
{
	static const struct {
		const char *name;
		double factor;
	} units[] = {{"", 1},     {"B", 1},    {"KiB", KIB}, {"MiB", MIB}, {"GiB", GIB}, {"TiB", 1024 * GIB},
	             {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6},  {"GB", 1e9},  {"TB", 1e12}};
	char *end;
	if (*text < '0' || *text > '9')
		return false;
	*bytes = strtod(text, &end);
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (strcmp(end, units[i].name) == 0) {
			*bytes *= units[i].factor;
			return true;
		}
	}
	return false;
}

static bool parse_number(const struct option *o, const char *text, double *v)
{
	if (o->type == OPTION_SIZE || o->type == OPTION_SIZE32)
		return parse_size(text, v);
	char *end;
	*v = strtod(text, &end);
	if (end != text && *end == '\0')
		return true;
	int64_t ns;
	if (o->type != OPTION_DURATION || clock_parse_duration(slice_cstr(text), &ns, NULL) != 0)
		return false;
	*v = (double)ns / 1e9;
	return true;
}

static int set_string(void *of, const struct option *o, const char *text, struct error *err)
{
	char **at = (char **)((char *)of + o->offset);
	if (*text == '\0' && o->type == OPTION_STRING)
		return refuse(o, err, "an empty text");
	char *copy = *text == '\0' ? NULL : mem_strndup(text, strlen(text));
	if (copy == NULL && *text != '\0')
		return error_set(err, -ENOMEM, "out of memory for the configuration");
	mem_free(*at);
	*at = copy;
	return 0;
}

static int set_choice(void *of, const struct option *o, const char *text, struct error *err)
{
	char found[80];
	for (int i = 0; o->choices[i] != NULL; i++) {
		if (strcmp(text, o->choices[i]) == 0) {
			*(int *)((char *)of + o->offset) = i;
			return 0;
		}
	}
	snprintf(found, sizeof found, "\"%.60s\"", text);
	return refuse(o, err, found);
}

int option_set_text(void *of, const struct option *o, const char *text, struct error *err)
{
	char found[80];
	double v;
	snprintf(found, sizeof found, "\"%.60s\"", text);
	switch (o->type) {
	case OPTION_STRING:
	case OPTION_PATH:
		return set_string(of, o, text, err);
	case OPTION_CHOICE:
		return set_choice(of, o, text, err);
	case OPTION_BOOL:
		if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
			return refuse(o, err, found);
		return option_set_bool(of, o, text[0] == 't', err);
	case OPTION_TEXTS:
	case OPTION_PAIRS:
	case OPTION_MULTIPAIRS:
		return refuse(o, err, found);
	default:
		if (!parse_number(o, text, &v))
			return refuse(o, err, found);
		return option_set_number(of, o, v, err);
	}
}
