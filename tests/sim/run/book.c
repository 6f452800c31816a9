/* The clients' books, and what they say about an exposition. */
#include <stdlib.h>
#include <string.h>

#include "run.h"

const char *const type_names[TYPES] = {"model.call", "tool.call", "chat.message", "hog", "fail", "noise", "boom"};

static enum event_type draw_type(struct random *random)
{
	static const uint8_t types[] = {TYPE_MODEL, TYPE_MODEL, TYPE_MODEL, TYPE_TOOL, TYPE_TOOL, TYPE_TOOL,
	                                TYPE_CHAT,  TYPE_CHAT,  TYPE_CHAT,  TYPE_CHAT, TYPE_FAIL, TYPE_NOISE};
	if (random_once_in(random, 60))
		return TYPE_HOG;
	if (random_once_in(random, 30))
		return TYPE_BOOM;
	return types[random_below(random, sizeof types)];
}

void book_init(struct run *r)
{
	static const uint32_t pads[] = {0, 0, 0, 30, 300, 4000, 20000, 60000};
	struct book *b = &r->book;
	uint64_t largest = 1 + random_below(&r->random, sizeof pads / sizeof pads[0]);
	b->clients = 1 + (uint32_t)random_below(&r->random, CLIENTS_MAX);
	b->per_client = 10 + (uint32_t)random_below(&r->random, EVENTS_MAX / CLIENTS_MAX - 10);
	b->count = b->clients * b->per_client;
	for (uint32_t i = 0; i < b->count; i++) {
		struct event *e = &b->events[i];
		e->number = i;
		e->type = draw_type(&r->random);
		e->anonymous = random_once_in(&r->random, 10);
		e->tenant = i % TENANTS;
		e->volume = (int32_t)random_below(&r->random, 1000);
		e->pad = (uint32_t)random_below(&r->random, 1 + pads[random_below(&r->random, largest)]);
	}
}

bool event_counts(const struct event *e)
{
	return e->type != TYPE_NOISE && e->type != TYPE_BOOM;
}

/* Refused for good: the journal has been written behind it since, so what had been written of it is void on the disk too. */
static bool is_void(const struct run *r, const struct event *e)
{
	return e->fate == FATE_REFUSED && !r->interval && r->book.accepted > e->refused_at;
}

void book_close(struct run *r, bool power_lost)
{
	struct book *b = &r->book;
	for (uint32_t i = 0; i < b->count; i++) {
		struct event *e = &b->events[i];
		if (e->fate == FATE_SENT || (e->fate == FATE_REFUSED && !is_void(r, e)))
			e->doubtful++;
		if (power_lost && r->interval) {
			e->acked -= e->acked_now;
			e->doubtful += e->acked_now;
		}
		if (power_lost || !r->interval)
			e->acked_now = 0;
		e->fate = e->acked > 0 ? FATE_ACKED : e->doubtful > 0 ? FATE_DOUBT : FATE_NEW;
	}
	b->accepted = 0;
}

void book_settle(struct run *r)
{
	for (uint32_t i = 0; i < r->book.count; i++)
		r->book.events[i].acked_now = 0;
}

bool book_is_done(const struct run *r, uint32_t client)
{
	const struct book *b = &r->book;
	for (uint32_t i = client; i < b->count; i += b->clients) {
		if (b->events[i].fate != FATE_ACKED)
			return false;
	}
	return true;
}

/* ---- reading expositions ---- */

/* Calls `each` for the lines of one family: its labels' text and its value. */
static void each_sample(struct run *r, const struct buf *text, const char *name,
                        void (*each)(struct run *r, const char *labels, double value))
{
	size_t len = strlen(name);
	const char *end = text->ptr + text->len;
	for (const char *line = text->ptr; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		if (strncmp(line, name, len) == 0 && line[len] == '{') {
			const char *space = memchr(line, ' ', (size_t)(stop - line));
			each(r, line + len, strtod(space, NULL));
		}
		line = stop + 1;
	}
}

static const char *label(const char *labels, const char *name)
{
	const char *at = strstr(labels, name);
	return at != NULL ? at + strlen(name) + 2 : ""; /* behind =" */
}

static void count_seen(struct run *r, const char *labels, double value)
{
	unsigned long n = strtoul(label(labels, "n"), NULL, 10);
	if (n >= r->book.count)
		run_failed(r, "a series for event %lu, which nobody sent", n);
	r->book.events[n].seen = (uint32_t)value;
}

static void check_sum(struct run *r, const char *labels, double value)
{
	double sum = 0;
	for (uint32_t i = 0; i < r->book.count; i++) {
		const struct event *e = &r->book.events[i];
		size_t len = strlen(type_names[e->type]);
		if (strncmp(label(labels, "type"), type_names[e->type], len) == 0)
			sum += (double)e->seen * e->volume;
	}
	if (sum != value)
		run_failed(r, "volume_total%.40s is %.17g, and its events sum up to %.17g", labels, value, sum);
}

static void check_event(struct run *r, const struct event *e, uint32_t least, const char *when)
{
	uint32_t most = e->acked + e->doubtful + (e->fate == FATE_SENT);
	if (!event_counts(e))
		least = most = 0;
	else if (!e->anonymous && most > 1 && !(r->retention && e->doubtful > 0))
		most =
		    1; /* what was in doubt may be counted again where retention has taken the frame that says its id */
	if (r->interval && e->doubtful > 0)
		least =
		    0; /* it may be in the journal, and so be known, where the power loss took the scripts before it */
	if (e->seen >= least && e->seen <= most)
		return;
	run_failed(
	    r,
	    "%s: event %u (%s%s) was counted %u times, and %u to %u is right: acknowledged %u times, in doubt %u "
	    "times, last %s",
	    when, e->number, type_names[e->type], e->anonymous ? ", without id" : "", e->seen, least, most, e->acked,
	    e->doubtful, (const char *[]){"not sent", "on its way", "refused", "in doubt", "accepted"}[e->fate]);
}

void book_check(struct run *r, const struct buf *text, const uint32_t *least, const char *when)
{
	struct book *b = &r->book;
	for (uint32_t i = 0; i < b->count; i++)
		b->events[i].seen = 0;
	each_sample(r, text, "seen_total", count_seen);
	for (uint32_t i = 0; i < b->count; i++)
		check_event(r, &b->events[i], least != NULL ? least[i] : b->events[i].acked, when);
	each_sample(r, text, "volume_total", check_sum);
}
