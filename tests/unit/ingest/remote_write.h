/* For tests of remote_write: decoding, random requests, and protobuf-c's messages of them. */
#ifndef MOONGATE_TEST_REMOTE_WRITE_H
#define MOONGATE_TEST_REMOTE_WRITE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/ingest.h"
#include "record/labels.h"
#include "remote_write.pb-c.h"

enum { SERIES_MAX = 6, LABELS_OF_ONE = 8, LIST_MAX = 4, SYMBOLS_MAX = 400 };

/* {__name__="up"}, and a sample at 7 ms, as fields of a TimeSeries of 1.0. */
#define NAME_UP "\x0a\x0e\x0a\x08__name__\x12\x02up"
#define SAMPLE_7 "\x12\x02\x10\x07"

static uint64_t seed = 88172645463325252;

/* xorshift64 (Marsaglia, "Xorshift RNGs", 2003). */
static inline uint64_t draw_bits(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static inline uint32_t draw(uint32_t below)
{
	return (uint32_t)(draw_bits() >> 33) % below;
}

/* ---- decoding ---- */

struct decoded {
	struct sample_batch *batch;
	struct ingest_rejects rejects;
	struct error err;
	int code;
	char *body;
};

static inline struct decoded decode_limited(struct slice bytes, enum ingest_remote_write version,
                                            const struct ingest_sample_limits *limits)
{
	struct decoded d = {.batch = sample_batch_new(), .body = calloc(1, bytes.len + INGEST_PADDING)};
	if (bytes.len > 0)
		memcpy(d.body, bytes.ptr, bytes.len);
	d.code = ingest_remote_write(d.batch, slice_new(d.body, bytes.len), version, limits, &d.rejects, &d.err);
	return d;
}

static inline struct decoded decode(struct slice bytes, enum ingest_remote_write version)
{
	struct ingest_sample_limits limits;
	ingest_sample_limits_default(&limits);
	return decode_limited(bytes, version, &limits);
}

static inline void done(struct decoded *d)
{
	sample_batch_free(d->batch);
	ingest_rejects_free(&d->rejects);
	free(d->body);
}

static inline struct slice pack(const ProtobufCMessage *m, char **owned)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	*owned = malloc(len + 1);
	assert_int_equal(protobuf_c_message_pack(m, (uint8_t *)*owned), len);
	return slice_new(*owned, len);
}

static inline uint64_t bits_of(double v)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof bits);
	return bits;
}

/* ---- requests ---- */

static inline ProtobufCBinaryData bytes_of(const char *s)
{
	return (ProtobufCBinaryData){strlen(s), (uint8_t *)(uintptr_t)s};
}

/* A series as it is meant, from which both versions' messages are made. */
struct meant {
	const char *names[LABELS_OF_ONE], *values[LABELS_OF_ONE], *exemplar_value;
	uint32_t labels, samples, exemplars;
	double value[LIST_MAX];
	int64_t time[LIST_MAX], created;
	int32_t type;
	const char *help, *unit;
};

static const char *const some_names[] = {"__name__", "Zone", "a", "a.b", "instance", "job", "le", "\xc3\xa9t\xc3\xa9"};
static const char *const some_values[] = {"up",
                                          "http_requests_total",
                                          "1",
                                          "0.5",
                                          "\xe2\x82\xac \"q\"\n",
                                          "127.0.0.1:9090",
                                          "x",
                                          "a rather long value, longer than most that are in use anywhere"};

/* Sorted, or not: `shuffle`. */
static inline struct meant mean(bool shuffle)
{
	struct meant m = {.samples = draw(LIST_MAX),
	                  .exemplars = draw(LIST_MAX),
	                  .exemplar_value = some_values[draw(8)],
	                  .created = (int64_t)draw_bits(),
	                  .type = (int32_t)draw(8),
	                  .help = some_values[draw(8)],
	                  .unit = draw(2) ? "" : "seconds"};
	for (uint32_t i = 0; i < LABELS_OF_ONE; i++) {
		if (i == 0 || (i != 1 && draw(2)) || (i == 1 && draw(8) == 0)) {
			m.names[m.labels] = some_names[i];
			m.values[m.labels++] = some_values[draw(8)];
		}
	}
	if (m.labels > 1 && strcmp(m.names[1], "Zone") == 0 && !shuffle) { /* the only one in front of __name__ */
		m.names[0] = "Zone", m.names[1] = "__name__";
	}
	for (uint32_t i = m.labels - 1; shuffle && i > 0; i--) {
		uint32_t j = draw(i + 1);
		const char *name = m.names[i], *value = m.values[i];
		m.names[i] = m.names[j], m.values[i] = m.values[j];
		m.names[j] = name, m.values[j] = value;
	}
	for (uint32_t i = 0; i < LIST_MAX; i++) {
		static const uint64_t bits[] = {0, SAMPLE_STALE_BITS, 0x7ff8000000000001, 0x7ff0000000000000,
		                                0x3ff0000000000000};
		uint64_t b = draw(2) ? bits[draw(sizeof bits / sizeof *bits)] : draw_bits();
		memcpy(&m.value[i], &b, sizeof b);
		m.time[i] = draw(4) == 0 ? (int64_t)draw_bits() : 1795351742634 + draw(100000);
	}
	return m;
}

/* The messages of a request live here. */
struct arena_of_messages {
	void *kept[4096];
	uint32_t count;
};

static inline void *keep(struct arena_of_messages *a, size_t size)
{
	void *p = calloc(1, size + 1);
	a->kept[a->count++] = p;
	return p;
}

static inline void drop(struct arena_of_messages *a)
{
	while (a->count > 0)
		free(a->kept[--a->count]);
}

#define LIST(a, type, count) ((type **)keep(a, (count) * sizeof(void *)))

static inline Oracle__Label *label_1(struct arena_of_messages *a, const char *name, const char *value)
{
	Oracle__Label *l = keep(a, sizeof *l);
	oracle__label__init(l);
	l->name = bytes_of(name);
	l->value = bytes_of(value);
	return l;
}

static inline Oracle__Sample **samples_of(struct arena_of_messages *a, const struct meant *m)
{
	Oracle__Sample **list = LIST(a, Oracle__Sample, m->samples);
	for (uint32_t i = 0; i < m->samples; i++) {
		list[i] = keep(a, sizeof **list);
		oracle__sample__init(list[i]);
		list[i]->value = m->value[i];
		list[i]->timestamp = m->time[i];
	}
	return list;
}

static inline Oracle__Series1 *series_1(struct arena_of_messages *a, const struct meant *m)
{
	Oracle__Series1 *s = keep(a, sizeof *s);
	oracle__series1__init(s);
	s->labels = LIST(a, Oracle__Label, m->labels);
	for (; s->n_labels < m->labels; s->n_labels++)
		s->labels[s->n_labels] = label_1(a, m->names[s->n_labels], m->values[s->n_labels]);
	s->n_samples = m->samples;
	s->samples = samples_of(a, m);
	s->exemplars = LIST(a, Oracle__Exemplar1, m->exemplars);
	for (; s->n_exemplars < m->exemplars; s->n_exemplars++) {
		Oracle__Exemplar1 *e = s->exemplars[s->n_exemplars] = keep(a, sizeof *e);
		oracle__exemplar1__init(e);
		e->labels = LIST(a, Oracle__Label, 1);
		e->labels[e->n_labels++] = label_1(a, "trace_id", m->exemplar_value);
		e->value = m->value[s->n_exemplars];
		e->timestamp = m->time[s->n_exemplars];
	}
	return s;
}

struct symbols {
	ProtobufCBinaryData list[SYMBOLS_MAX];
	uint32_t count;
};

static inline uint32_t symbol(struct symbols *t, const char *text)
{
	for (uint32_t i = 0; i < t->count; i++) {
		if (t->list[i].len == strlen(text) && memcmp(t->list[i].data, text, t->list[i].len) == 0)
			return i;
	}
	assert_true(t->count < SYMBOLS_MAX);
	t->list[t->count] = bytes_of(text);
	return t->count++;
}

static inline Oracle__Series2 *series_2(struct arena_of_messages *a, const struct meant *m, struct symbols *t)
{
	Oracle__Series2 *s = keep(a, sizeof *s);
	oracle__series2__init(s);
	s->labels_refs = keep(a, m->labels * 2 * sizeof *s->labels_refs);
	for (uint32_t i = 0; i < m->labels; i++) {
		s->labels_refs[s->n_labels_refs++] = symbol(t, m->names[i]);
		s->labels_refs[s->n_labels_refs++] = symbol(t, m->values[i]);
	}
	s->n_samples = m->samples;
	s->samples = samples_of(a, m);
	s->exemplars = LIST(a, Oracle__Exemplar2, m->exemplars);
	for (; s->n_exemplars < m->exemplars; s->n_exemplars++) {
		Oracle__Exemplar2 *e = s->exemplars[s->n_exemplars] = keep(a, sizeof *e);
		oracle__exemplar2__init(e);
		e->labels_refs = keep(a, 2 * sizeof *e->labels_refs);
		e->labels_refs[e->n_labels_refs++] = symbol(t, "trace_id");
		e->labels_refs[e->n_labels_refs++] = symbol(t, m->exemplar_value);
		e->value = m->value[s->n_exemplars];
		e->timestamp = m->time[s->n_exemplars];
	}
	s->created_timestamp = m->created;
	s->metadata = keep(a, sizeof *s->metadata);
	oracle__metadata2__init(s->metadata);
	s->metadata->type = m->type;
	s->metadata->help_ref = symbol(t, m->help);
	s->metadata->unit_ref = symbol(t, m->unit);
	return s;
}

static inline struct slice request(const struct meant *meant, uint32_t count, enum ingest_remote_write version,
                                   char **owned)
{
	struct arena_of_messages a = {.count = 0};
	static struct symbols t;
	struct slice body;
	if (version == INGEST_REMOTE_WRITE_1) {
		Oracle__WriteRequest1 r = ORACLE__WRITE_REQUEST1__INIT;
		r.timeseries = LIST(&a, Oracle__Series1, count);
		for (; r.n_timeseries < count; r.n_timeseries++)
			r.timeseries[r.n_timeseries] = series_1(&a, &meant[r.n_timeseries]);
		body = pack(&r.base, owned);
	} else {
		Oracle__WriteRequest2 r = ORACLE__WRITE_REQUEST2__INIT;
		t.count = 0;
		symbol(&t, "");
		r.timeseries = LIST(&a, Oracle__Series2, count);
		for (; r.n_timeseries < count; r.n_timeseries++)
			r.timeseries[r.n_timeseries] = series_2(&a, &meant[r.n_timeseries], &t);
		r.symbols = t.list;
		r.n_symbols = t.count;
		body = pack(&r.base, owned);
	}
	drop(&a);
	return body;
}

#endif
