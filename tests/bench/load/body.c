#include "body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ID_DIGITS = 12, USER_DIGITS = 6, VALUE_DIGITS = 6, VALUE_FIRST = 100000, VALUES = 900000, EVENT_ROOM = 512 };

static uint64_t random_state = 1;

void body_seed(uint64_t seed)
{
	random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/* xorshift64*: the same stream for the same seed. */
static uint32_t draw(uint32_t below)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t)((random_state * UINT64_C(2685821657736338717)) >> 32) % below;
}

static void *memory(size_t bytes)
{
	void *at = malloc(bytes);
	if (at != NULL)
		return at;
	fprintf(stderr, "load: memory is out\n");
	exit(1);
}

static int put_model_call(char *to, size_t room, const char *time)
{
	static const char *const models[] = {"gpt-4o", "gpt-4o-mini", "gpt-4.1", "claude-sonnet-4-5",
	                                     "claude-haiku-4-5"};
	static const char *const templates[] = {"support", "research", "coder", "triage"};
	bool fails = draw(50) == 0;
	return snprintf(to, room,
	                "{\"type\":\"model.call\",\"time\":\"%s\",\"id\":\"ev-%0*d\",\"agent_id\":\"a-%03u\","
	                "\"template_id\":\"%s\","
	                "\"user_id\":\"u-%0*x\",\"model\":\"%s\",\"input_tokens\":%u,\"output_tokens\":%u,\"cached_"
	                "input_tokens\":%u,"
	                "\"duration_ms\":%u.%u,\"status\":\"%s\"%s}",
	                time, ID_DIGITS, 0, draw(200), templates[draw(4)], USER_DIGITS, 0, models[draw(5)],
	                200 + draw(4000), 20 + draw(900), draw(200), 200 + draw(9000), draw(10),
	                fails ? "failed" : "success", fails ? ",\"error_type\":\"rate_limit\"" : "");
}

static int put_tool_call(char *to, size_t room, const char *time)
{
	static const char *const tools[] = {"search", "calculator", "browser", "sql", "email"};
	bool fails = draw(20) == 0;
	return snprintf(
	    to, room,
	    "{\"type\":\"tool.call\",\"time\":\"%s\",\"id\":\"ev-%0*d\",\"agent_id\":\"a-%03u\",\"user_id\":\"u-%0*x\","
	    "\"tool_name\":\"%s\",\"status\":\"%s\",\"duration_ms\":%u.%u,\"request_id\":\"req-%08x%08x\","
	    "\"arguments_bytes\":%u,\"result_bytes\":%u%s}",
	    time, ID_DIGITS, 0, draw(200), USER_DIGITS, 0, tools[draw(5)], fails ? "failed" : "success", 5 + draw(3000),
	    draw(10), draw(UINT32_MAX), draw(UINT32_MAX), draw(2000), draw(20000),
	    fails ? ",\"error_type\":\"timeout\"" : "");
}

static int put_load(char *to, size_t room, const struct body_options *o)
{
	int n = snprintf(to, room, "{\"type\":\"load\",\"id\":\"ev-%0*d\",\"user_id\":\"u-%0*x\",\"v\":%0*d", ID_DIGITS,
	                 0, USER_DIGITS, 0, VALUE_DIGITS, VALUE_FIRST);
	for (uint32_t i = 0; i < o->items; i++)
		n += snprintf(to + n, room - (size_t)n, "%s%u", i == 0 ? ",\"items\":[" : ",", draw(10));
	n += snprintf(to + n, room - (size_t)n, "%s%s", o->items > 0 ? "]" : "", o->pad > 0 ? ",\"pad\":\"" : "");
	for (uint32_t i = 0; i < o->pad; i++)
		to[n++] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-"[draw(64)];
	return n + snprintf(to + n, room - (size_t)n, o->pad > 0 ? "\"}" : "}");
}

static int put_event(char *to, size_t room, const char *time, const struct body_options *o)
{
	if (o->books)
		return put_load(to, room, o);
	return (draw(10) < 7 ? put_model_call : put_tool_call)(to, room, time);
}

static void format_now(char out[64])
{
	struct timespec ts;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(out, 64, "%Y-%m-%dT%H:%M:%S.123Z", &tm);
}

void body_make(struct body *b, const struct body_options *o)
{
	size_t room = (size_t)o->events * (EVENT_ROOM + o->pad + 2 * (size_t)o->items) + 1024;
	char *events = memory(room);
	char time[64];
	size_t len = 0;
	format_now(time);
	b->bytes = memory(room + EVENT_ROOM);
	b->ids = memory(o->events * sizeof *b->ids);
	b->users = memory(o->events * sizeof *b->users);
	b->values = o->books ? memory(o->events * sizeof *b->values) : NULL;
	b->sum = 0;
	for (uint32_t i = 0; i < o->events; i++) {
		size_t start = len;
		len += (size_t)put_event(events + len, room - len, time, o);
		b->ids[i] = (size_t)(strstr(events + start, "\"ev-") - events) + 4;
		b->users[i] = (size_t)(strstr(events + start, "\"u-") - events) + 3;
		if (o->books)
			b->values[i] = (size_t)(strstr(events + start, "\"v\":") - events) + 4;
		events[len++] = '\n';
	}
	int head =
	    sprintf(b->bytes,
	            "POST %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
	            o->path, o->host, o->port, len);
	memcpy(b->bytes + head, events, len);
	b->len = (size_t)head + len;
	for (uint32_t i = 0; i < o->events; i++) {
		b->ids[i] += (size_t)head;
		b->users[i] += (size_t)head;
		if (o->books)
			b->values[i] += (size_t)head;
	}
	free(events);
}

void body_copy(struct body *b, const struct body *from)
{
	*b = *from;
	b->bytes = memory(from->len);
	memcpy(b->bytes, from->bytes, from->len);
}

static void put_hex(char *at, int digits, uint64_t v)
{
	for (int d = digits - 1; d >= 0; d--, v >>= 4)
		at[d] = "0123456789abcdef"[v & 15];
}

static void put_value(char *at, uint64_t v)
{
	for (int d = VALUE_DIGITS - 1; d >= 0; d--, v /= 10)
		at[d] = (char)('0' + v % 10);
}

void body_renumber(struct body *b, const struct body_options *o, uint64_t *next_id)
{
	b->sum = 0;
	for (uint32_t i = 0; i < o->events; i++) {
		uint64_t id = (*next_id)++;
		put_hex(b->bytes + b->ids[i], ID_DIGITS, id);
		put_hex(b->bytes + b->users[i], USER_DIGITS, draw(o->users));
		if (!o->books)
			continue;
		uint64_t value = VALUE_FIRST + id % VALUES;
		put_value(b->bytes + b->values[i], value);
		b->sum += value;
	}
}
