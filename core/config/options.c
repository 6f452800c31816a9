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
    {"journal.durability", OPTION_CHOICE, AT(journal.durability), 0, 0, "group", durabilities},
    {"journal.queue_bytes", OPTION_SIZE, AT(journal.queue_bytes), 1 * MIB, 1024 * GIB, "64MiB", NULL},
    {"journal.segment_bytes", OPTION_SIZE, AT(journal.segment_bytes), 1 * MIB, 4 * GIB, "64MiB", NULL},
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
    {"store.exemplars", OPTION_COUNT, AT(store.exemplars), 0, 1e7, "100000", NULL},
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

const struct option *option_find(const char *key)
{
	for (size_t i = 0; i < option_count; i++) {
		if (strcmp(options[i].key, key) == 0)
			return &options[i];
	}
	return NULL;
}

const char *option_suggest(const char *key)
{
	const char *best = NULL;
	unsigned nearest = distance_near(key) + 1;
	for (size_t i = 0; i < option_count; i++) {
		unsigned d = distance(key, options[i].key);
		if (d < nearest) {
			nearest = d;
			best = options[i].key;
		}
	}
	return best;
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

int option_set_number(struct config *c, const struct option *o, double v, struct error *err)
{
	void *at = (char *)c + o->offset;
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

int option_set_bool(struct config *c, const struct option *o, bool v, struct error *err)
{
	if (o->type != OPTION_BOOL)
		return refuse(o, err, v ? "true" : "false");
	*(bool *)((char *)c + o->offset) = v;
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

static int set_string(struct config *c, const struct option *o, const char *text, struct error *err)
{
	char **at = (char **)((char *)c + o->offset);
	if (*text == '\0' && o->type == OPTION_STRING)
		return refuse(o, err, "an empty text");
	char *copy = *text == '\0' ? NULL : mem_strndup(text, strlen(text));
	if (copy == NULL && *text != '\0')
		return error_set(err, -ENOMEM, "out of memory for the configuration");
	mem_free(*at);
	*at = copy;
	return 0;
}

static int set_choice(struct config *c, const struct option *o, const char *text, struct error *err)
{
	char found[80];
	for (int i = 0; o->choices[i] != NULL; i++) {
		if (strcmp(text, o->choices[i]) == 0) {
			*(int *)((char *)c + o->offset) = i;
			return 0;
		}
	}
	snprintf(found, sizeof found, "\"%.60s\"", text);
	return refuse(o, err, found);
}

int option_set_text(struct config *c, const struct option *o, const char *text, struct error *err)
{
	char found[80];
	double v;
	snprintf(found, sizeof found, "\"%.60s\"", text);
	switch (o->type) {
	case OPTION_STRING:
	case OPTION_PATH:
		return set_string(c, o, text, err);
	case OPTION_CHOICE:
		return set_choice(c, o, text, err);
	case OPTION_BOOL:
		if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
			return refuse(o, err, found);
		return option_set_bool(c, o, text[0] == 't', err);
	default:
		if (!parse_number(o, text, &v))
			return refuse(o, err, found);
		return option_set_number(c, o, v, err);
	}
}
