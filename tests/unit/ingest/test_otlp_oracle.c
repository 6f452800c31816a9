/* Random OTLP metrics, written by protobuf-c by its own descriptors: the same in JSON gives the same batch, each data point is taken or refused, and of damaged bodies nothing is taken that protobuf-c would not
 * take. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "otlp.h"
#include "otlp_metrics.pb-c.h"

enum { ROUNDS = 2000, KEPT_MAX = 1 << 16, DEPTH_MAX = 14 };

static uint64_t seed = 88172645463325252;

/* xorshift64 (Marsaglia, "Xorshift RNGs", 2003). */
static uint64_t draw_bits(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint32_t draw(uint32_t below)
{
	return (uint32_t)(draw_bits() >> 33) % below;
}

/* ---- random messages ---- */

static void *kept[KEPT_MAX];
static uint32_t kept_count;

static void *keep(size_t size)
{
	void *p = calloc(1, size + 1);
	assert_true(p != NULL && kept_count < KEPT_MAX);
	kept[kept_count++] = p;
	return p;
}

static void drop_all(void)
{
	while (kept_count > 0)
		free(kept[--kept_count]);
}

static const char *const texts[] = {"a",
                                    "a.b",
                                    "a_b",
                                    "service.name",
                                    "http.server.duration",
                                    "s",
                                    "By/s",
                                    "{x}",
                                    "1",
                                    "",
                                    "\xe2\x82\xac \"q\"\n\t/",
                                    "le",
                                    "job",
                                    "x\x01y"};

static ProtobufCBinaryData random_bytes(const char *field)
{
	static const char ids[] = "0123456789abcdef";
	if (strcmp(field, "trace_id") == 0)
		return (ProtobufCBinaryData){draw(8) == 0 ? 5 : 16, (uint8_t *)(uintptr_t)ids};
	if (strcmp(field, "span_id") == 0)
		return (ProtobufCBinaryData){draw(8) == 0 ? 0 : 8, (uint8_t *)(uintptr_t)ids};
	const char *text = texts[draw(sizeof texts / sizeof *texts)];
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static double random_double(void)
{
	static const double some[] = {0, -0.0, 1, 0.5, -3, 1e300, 5e-324, 137.55, 1e21};
	uint32_t which = draw(12);
	return which == 11 ? NAN : which == 10 ? -INFINITY : which == 9 ? INFINITY : some[which];
}

static uint64_t random_integer(const char *field)
{
	if (strstr(field, "time") != NULL)
		return draw(20) == 0 ? 0 : UINT64_C(1700000000000000000) + draw(1000) * UINT64_C(1000000);
	if (strcmp(field, "scale") == 0)
		return (uint64_t)((int64_t)draw(33) - 11);
	if (strcmp(field, "flags") == 0)
		return draw(4) == 0;
	if (strcmp(field, "aggregation_temporality") == 0)
		return draw(8) == 0 ? draw(5) : 1 + draw(2);
	return draw(6) == 0 ? draw_bits() : draw(100);
}

static ProtobufCMessage *random_message(const ProtobufCMessageDescriptor *type, int depth);

static void put_random(const ProtobufCFieldDescriptor *f, void *at, int depth)
{
	uint64_t v = random_integer(f->name);
	uint32_t low = (uint32_t)v;
	double number = random_double();
	ProtobufCBinaryData bytes = random_bytes(f->name);
	ProtobufCMessage *message;
	switch (f->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		message = random_message(f->descriptor, depth + 1);
		memcpy(at, &message, sizeof message);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		memcpy(at, &bytes, sizeof bytes);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		memcpy(at, &number, sizeof number);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)at = (v & 1) != 0;
		break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_SINT32:
		memcpy(at, &low, sizeof low);
		break;
	default:
		memcpy(at, &v, sizeof v);
	}
}

static size_t size_of(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_SINT32:
		return 4;
	default:
		return 8;
	}
}

static void put_list(const ProtobufCFieldDescriptor *f, char *message, size_t count, int depth)
{
	char *list = keep(count * size_of(f));
	memcpy(message + f->quantifier_offset, &count, sizeof count);
	memcpy(message + f->offset, &list, sizeof list);
	for (size_t i = 0; i < count; i++)
		put_random(f, list + i * size_of(f), depth);
}

/* Mostly what senders make: bounds that rise, and one count more. */
static void fit_buckets(Oracle__Otlp__HistogramPoint *h)
{
	const ProtobufCMessageDescriptor *type = h->base.descriptor;
	if (draw(6) == 0)
		return;
	put_list(protobuf_c_message_descriptor_get_field_by_name(type, "bucket_counts"), (char *)h,
	         h->n_explicit_bounds + 1, 0);
	for (size_t i = 0; i < h->n_explicit_bounds; i++)
		h->explicit_bounds[i] = (double)i * 0.1 - 0.1;
}

static ProtobufCMessage *random_message(const ProtobufCMessageDescriptor *type, int depth)
{
	char *m = keep(type->sizeof_message);
	protobuf_c_message_init(type, (ProtobufCMessage *)m);
	bool value = strcmp(type->short_name, "AnyValue") == 0, metric_data = strcmp(type->short_name, "Metric") == 0;
	bool as_int = draw(2);
	uint32_t one_of = metric_data ? 3 + draw(5) : draw(type->n_fields); /* of these only one field is there */
	for (uint32_t i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &type->fields[i];
		bool deep = depth >= DEPTH_MAX && f->type == PROTOBUF_C_TYPE_MESSAGE;
		if (deep || ((value || (metric_data && i >= 3)) && i != one_of))
			continue;
		if (strcmp(f->name, as_int ? "as_double" : "as_int") == 0)
			continue;
		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			put_list(f, m, draw(strcmp(f->name, "data_points") == 0 ? 5 : 4), depth);
			continue;
		}
		if (f->type == PROTOBUF_C_TYPE_MESSAGE || f->type == PROTOBUF_C_TYPE_BYTES || draw(8) > 0) {
			put_random(f, m + f->offset, depth);
			if (f->quantifier_offset != 0) {
				protobuf_c_boolean has = 1;
				memcpy(m + f->quantifier_offset, &has, sizeof has);
			}
		}
	}
	if (type == &oracle__otlp__histogram_point__descriptor)
		fit_buckets((Oracle__Otlp__HistogramPoint *)m);
	return (ProtobufCMessage *)m;
}

/* ---- the same in JSON ---- */

/* snake_case, or half the time lowerCamelCase. */
static void json_name(struct buf *b, const char *name)
{
	bool camel = draw(2);
	buf_byte(b, '"');
	for (; *name != '\0'; name++) {
		if (camel && *name == '_' && name[1] >= 'a')
			buf_byte(b, (char)(*++name - 'a' + 'A'));
		else
			buf_byte(b, *name);
	}
	buf_str(b, "\":");
}

static void json_bytes(struct buf *b, const char *field, const ProtobufCBinaryData *v)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	bool hex = strcmp(field, "trace_id") == 0 || strcmp(field, "span_id") == 0;
	bool base64 = strcmp(field, "bytes_value") == 0;
	if (!hex && !base64) {
		buf_json_string(b, slice_new((const char *)v->data, v->len));
		return;
	}
	buf_byte(b, '"');
	for (size_t i = 0; hex && i < v->len; i++)
		buf_printf(b, draw(2) ? "%02x" : "%02X", v->data[i]);
	for (size_t bit = 0; base64 && bit < v->len * 8; bit += 6) {
		uint32_t two = (uint32_t)v->data[bit / 8] << 8 | (bit / 8 + 1 < v->len ? v->data[bit / 8 + 1] : 0);
		buf_byte(b, digits[two >> (10 - bit % 8) & 63]);
	}
	buf_byte(b, '"');
}

static void json_number_text(struct buf *b, const char *text, bool quoted)
{
	buf_printf(b, quoted ? "\"%s\"" : "%s", text);
}

static void json_message(struct buf *b, const ProtobufCMessage *m);

static void json_value(struct buf *b, const ProtobufCFieldDescriptor *f, const char *at)
{
	char text[64];
	const ProtobufCMessage *message;
	ProtobufCBinaryData bytes;
	double number;
	int64_t v = 0;
	memcpy(&v, at, size_of(f) < 8 ? 4 : 8);
	switch (f->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		memcpy(&message, at, sizeof message);
		json_message(b, message);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		memcpy(&bytes, at, sizeof bytes);
		json_bytes(b, f->name, &bytes);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		memcpy(&number, at, sizeof number);
		snprintf(text, sizeof text, "%.17g", number);
		if (!isfinite(number))
			snprintf(text, sizeof text, "%s",
			         isnan(number) ? "NaN"
			         : number > 0  ? "Infinity"
			                       : "-Infinity");
		json_number_text(b, text, !isfinite(number) || draw(4) == 0);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		buf_str(b, *(const protobuf_c_boolean *)at ? "true" : "false");
		break;
	case PROTOBUF_C_TYPE_SINT32:
		snprintf(text, sizeof text, "%d", (int)v);
		json_number_text(b, text, draw(2));
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		snprintf(text, sizeof text, "%lld", (long long)v);
		json_number_text(b, text, draw(2));
		break;
	default:
		snprintf(text, sizeof text, "%llu", (unsigned long long)v);
		json_number_text(b, text, draw(2));
	}
}

/* Its fields in any order. */
static void json_message(struct buf *b, const ProtobufCMessage *m)
{
	const char *from = (const char *)m;
	uint32_t count = m->descriptor->n_fields, begin = draw(count), written = 0;
	buf_byte(b, '{');
	for (uint32_t i = 0; i < count; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[(begin + i) % count];
		const char *at = from + f->offset, *list;
		size_t items = 1;
		protobuf_c_boolean has = 1;
		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			memcpy(&items, from + f->quantifier_offset, sizeof items);
		else if (f->type == PROTOBUF_C_TYPE_MESSAGE)
			has = memcmp(at, &(void *){NULL}, sizeof(void *)) != 0;
		else
			memcpy(&has, from + f->quantifier_offset, sizeof has);
		if (!has)
			continue;
		if (written++ > 0)
			buf_str(b, draw(4) ? "," : " ,\n");
		json_name(b, f->name);
		if (f->label != PROTOBUF_C_LABEL_REPEATED) {
			json_value(b, f, at);
			continue;
		}
		memcpy(&list, at, sizeof list);
		buf_byte(b, '[');
		for (size_t k = 0; k < items; k++) {
			if (k > 0)
				buf_byte(b, ',');
			json_value(b, f, list + k * size_of(f));
		}
		buf_byte(b, ']');
	}
	buf_byte(b, '}');
}

/* ---- tests ---- */

static size_t points_of_metric(const Oracle__Otlp__Metric *m)
{
	return (m->gauge != NULL ? m->gauge->n_data_points : 0) + (m->sum != NULL ? m->sum->n_data_points : 0) +
	       (m->histogram != NULL ? m->histogram->n_data_points : 0) +
	       (m->exponential_histogram != NULL ? m->exponential_histogram->n_data_points : 0) +
	       (m->summary != NULL ? m->summary->n_data_points : 0);
}

static size_t points_of(const Oracle__Otlp__Request *r)
{
	size_t count = 0;
	for (size_t i = 0; i < r->n_resource_metrics; i++) {
		for (size_t j = 0; j < r->resource_metrics[i]->n_scope_metrics; j++) {
			const Oracle__Otlp__ScopeMetrics *s = r->resource_metrics[i]->scope_metrics[j];
			for (size_t k = 0; k < s->n_metrics; k++)
				count += points_of_metric(s->metrics[k]);
		}
	}
	return count;
}

/* Points that made series, or were joined to one that is there, and those that were refused, are all there are. */
static void count_points(const struct decoded *d, size_t want, size_t *taken)
{
	size_t count = 0;
	for (uint32_t i = 0; i < d->batch->series_count; i++)
		count += i == 0 || d->batch->series[i].index > d->batch->series[i - 1].index;
	assert_true(count + d->rejects.points <= want);
	*taken += count;
	bool delta = false; /* increments are joined */
	for (uint32_t i = 0; i < d->batch->series_count; i++)
		delta |= d->batch->series[i].delta;
	if (!delta)
		assert_int_equal(count + d->rejects.points, want);
}

static struct slice pack(const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	char *bytes = keep(len);
	protobuf_c_message_pack(m, (uint8_t *)bytes);
	return slice_new(bytes, len);
}

static void both_encodings(void **state)
{
	size_t taken = 0, refused = 0;
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		ProtobufCMessage *m = random_message(&oracle__otlp__request__descriptor, 0);
		struct buf json = {0};
		json_message(&json, m);
		struct decoded a = decode(ingest_otlp_metrics_protobuf, pack(m));
		struct decoded b = decode(ingest_otlp_metrics_json, buf_slice(&json));
		assert_int_equal(a.code, 0);
		if (b.code != 0)
			fail_msg("%s in %.*s", b.err.text, (int)json.len, json.ptr);
		assert_string_equal(a.text.ptr, b.text.ptr);
		count_points(&a, points_of((const Oracle__Otlp__Request *)m), &taken);
		refused += a.rejects.points;
		done(&a);
		done(&b);
		buf_free(&json);
		drop_all();
	}
	print_message("%zu data points taken, %zu refused\n", taken, refused);
	assert_true(taken > ROUNDS && refused > ROUNDS / 10);
}

/* Of damaged bodies: what is taken, protobuf-c takes too, and with as many data points. */
static void damaged(void **state)
{
	uint32_t fine = 0, unseen = 0;
	(void)state;
	for (int round = 0; round < ROUNDS * 2; round++) {
		struct slice body = pack(random_message(&oracle__otlp__request__descriptor, 0));
		if (body.len == 0)
			continue;
		((char *)(uintptr_t)body.ptr)[draw((uint32_t)body.len)] = (char)draw(256);
		if (draw(8) == 0)
			body.len = draw((uint32_t)body.len);
		struct decoded d = decode(ingest_otlp_metrics_protobuf, body);
		ProtobufCMessage *o = protobuf_c_message_unpack(&oracle__otlp__request__descriptor, NULL, body.len,
		                                                (const uint8_t *)body.ptr);
		size_t taken = 0;
		assert_true(d.code == 0 || d.code == -EINVAL);
		/* What is wrong then is in an exemplar of a point that was refused before, or in a list that another value of the same attribute replaces: nobody looks into it. */
		if (d.code == 0 && o == NULL)
			unseen += d.rejects.points == 0;
		if (d.code == 0 && o != NULL)
			count_points(&d, points_of((const Oracle__Otlp__Request *)o), &taken);
		fine += d.code == 0;
		protobuf_c_message_free_unpacked(o, NULL);
		done(&d);
		drop_all();
	}
	assert_in_range(fine, ROUNDS / 2, ROUNDS * 2 - 100);
	assert_true(unseen <= ROUNDS / 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_encodings),
	    cmocka_unit_test(damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
