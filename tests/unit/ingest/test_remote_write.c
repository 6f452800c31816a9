/* remote_write, 1.0 and 2.0: what protobuf-c writes of random requests comes out exactly; of damaged ones nothing is taken that protobuf-c would not take. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "remote_write.h"

enum { ROUNDS = 3000 };

/* ---- what was meant is what comes out ---- */

static void same_set(struct slice set, const char *const *names, const char *const *values, uint32_t count)
{
	struct label labels[LABELS_OF_ONE];
	struct buf want = {0};
	for (uint32_t i = 0; i < count; i++)
		labels[i] = (struct label){slice_cstr(names[i]), slice_cstr(values[i])};
	assert_int_equal(labels_canonical(labels, count, &want, NULL), 0);
	assert_true(slice_eq(buf_slice(&want), set));
	buf_free(&want);
}

static void same_series(const struct sample_series *s, const struct meant *m, enum ingest_remote_write version)
{
	static const char *const trace_id = "trace_id";
	same_set(s->labels, m->names, m->values, m->labels);
	assert_true(s->hash == labels_hash(s->labels));
	assert_int_equal(s->sample_count, m->samples);
	assert_int_equal(s->exemplar_count, m->exemplars);
	for (uint32_t i = 0; i < m->samples; i++) {
		assert_true(bits_of(s->samples[i].value) == bits_of(m->value[i]));
		assert_true(s->samples[i].time_ms == m->time[i]);
	}
	for (uint32_t i = 0; i < m->exemplars; i++) {
		same_set(s->exemplars[i].labels, &trace_id, &m->exemplar_value, 1);
		assert_true(bits_of(s->exemplars[i].value) == bits_of(m->value[i]));
		assert_true(s->exemplars[i].time_ms == m->time[i]);
	}
	assert_true(s->created_ms == (version == INGEST_REMOTE_WRITE_2 ? m->created : 0));
}

static void round_trip(enum ingest_remote_write version, bool shuffle)
{
	for (int round = 0; round < ROUNDS; round++) {
		struct meant meant[SERIES_MAX];
		uint32_t count = draw(SERIES_MAX), kept = 0, samples = 0, exemplars = 0;
		char *owned;
		for (uint32_t i = 0; i < count; i++)
			meant[i] = mean(shuffle);
		struct decoded d = decode(request(meant, count, version, &owned), version);
		assert_int_equal(d.code, 0);
		assert_int_equal(d.rejects.count + d.rejects.unlisted, 0);
		for (uint32_t i = 0; i < count; i++) {
			if (meant[i].samples + meant[i].exemplars == 0)
				continue;
			assert_int_equal(d.batch->series[kept].index, i);
			same_series(&d.batch->series[kept], &meant[i], version);
			bool in_body = d.batch->series[kept].labels.ptr > d.body &&
			               d.batch->series[kept].labels.ptr < d.body + (1 << 16);
			assert_true(version == INGEST_REMOTE_WRITE_1 && !shuffle ? in_body : true);
			samples += meant[i].samples;
			exemplars += meant[i].exemplars;
			kept++;
		}
		assert_int_equal(d.batch->series_count, kept);
		assert_int_equal(d.batch->sample_count, samples);
		assert_int_equal(d.batch->exemplar_count, exemplars);
		done(&d);
		free(owned);
	}
}

static void round_trips(void **state)
{
	(void)state;
	for (int shuffle = 0; shuffle < 2; shuffle++) {
		round_trip(INGEST_REMOTE_WRITE_1, shuffle);
		round_trip(INGEST_REMOTE_WRITE_2, shuffle);
	}
}

/* Of damaged bodies: what is taken, protobuf-c takes too, and no more samples come out than it sees. */
static void damaged(void **state)
{
	uint32_t taken = 0;
	(void)state;
	for (int round = 0; round < ROUNDS * 4; round++) {
		enum ingest_remote_write version = draw(2) ? INGEST_REMOTE_WRITE_1 : INGEST_REMOTE_WRITE_2;
		struct meant meant[SERIES_MAX];
		uint32_t count = 1 + draw(SERIES_MAX - 1);
		char *owned;
		for (uint32_t i = 0; i < count; i++)
			meant[i] = mean(draw(2));
		struct slice body = request(meant, count, version, &owned);
		owned[draw((uint32_t)body.len)] = (char)draw(256);
		if (draw(8) == 0)
			body.len = draw((uint32_t)body.len);
		struct decoded d = decode(body, version);
		ProtobufCMessage *o =
		    protobuf_c_message_unpack(version == INGEST_REMOTE_WRITE_1 ? &oracle__write_request1__descriptor
		                                                               : &oracle__write_request2__descriptor,
		                              NULL, body.len, (const uint8_t *)body.ptr);
		if (d.code == 0) {
			size_t seen = 0;
			if (o == NULL) { /* something is wrong within a series that was refused before that was read */
				assert_true(d.rejects.count > 0);
				done(&d);
				free(owned);
				continue;
			}
			if (version == INGEST_REMOTE_WRITE_1) {
				for (size_t i = 0; i < ((Oracle__WriteRequest1 *)o)->n_timeseries; i++)
					seen += ((Oracle__WriteRequest1 *)o)->timeseries[i]->n_samples;
			} else {
				for (size_t i = 0; i < ((Oracle__WriteRequest2 *)o)->n_timeseries; i++)
					seen += ((Oracle__WriteRequest2 *)o)->timeseries[i]->n_samples;
			}
			assert_int_equal(d.batch->sample_count + d.rejects.samples, seen);
			for (uint32_t i = 0; i < d.batch->series_count; i++)
				assert_int_equal(labels_check(d.batch->series[i].labels, NULL, NULL), 0);
			taken++;
		} else {
			assert_int_equal(d.code, -EINVAL);
			assert_non_null(strstr(d.err.text, "byte "));
		}
		if (o != NULL)
			protobuf_c_message_free_unpacked(o, NULL);
		done(&d);
		free(owned);
	}
	assert_in_range(taken, ROUNDS, ROUNDS * 4 - 100);
}

/* ---- plain samples ---- */

/* A varint of `len` bytes, in its shortest form or filled up with zeros. */
static size_t put_varint(char *to, uint64_t v, size_t len)
{
	for (size_t i = 0; i < len; i++, v >>= 7)
		to[i] = (char)((v & 0x7f) | (i + 1 < len ? 0x80 : 0));
	return len;
}

/* A series with one sample, as bytes: value and time, or the other way round. */
static struct slice one_sample(char *to, double value, uint64_t time, size_t time_len, bool time_first)
{
	char sample[32], *at = sample;
	for (int i = 0; i < 2; i++) {
		if ((i == 0) == time_first) {
			*at++ = 0x10;
			at += put_varint(at, time, time_len);
		} else {
			*at++ = 0x09;
			memcpy(at, &value, sizeof value);
			at += sizeof value;
		}
	}
	size_t len = (size_t)(at - sample), labels = sizeof NAME_UP - 1;
	to[0] = 0x0a;
	to[1] = (char)(labels + 2 + len);
	memcpy(to + 2, NAME_UP, labels);
	to[2 + labels] = 0x12;
	to[3 + labels] = (char)len;
	memcpy(to + 4 + labels, sample, len);
	return slice_new(to, 4 + labels + len);
}

/* Times of every length, also longer than they need be, come out as protobuf-c reads them. */
static void times_of_every_length(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		char bytes[128];
		size_t len = 1 + draw(10), filled = len == 10 ? 10 : len + draw((uint32_t)(11 - len));
		uint64_t time = len == 10 ? draw_bits() : draw_bits() & (UINT64_MAX >> (64 - 7 * len));
		struct slice body = one_sample(bytes, (double)draw(1000), time, filled, draw(4) == 0);
		struct decoded d = decode(body, INGEST_REMOTE_WRITE_1);
		Oracle__WriteRequest1 *o = oracle__write_request1__unpack(NULL, body.len, (const uint8_t *)body.ptr);
		assert_non_null(o);
		assert_int_equal(d.code, 0);
		assert_int_equal(d.batch->sample_count, 1);
		assert_true(d.batch->series[0].samples[0].time_ms == o->timeseries[0]->samples[0]->timestamp);
		assert_true((uint64_t)d.batch->series[0].samples[0].time_ms == time);
		assert_true(bits_of(d.batch->series[0].samples[0].value) ==
		            bits_of(o->timeseries[0]->samples[0]->value));
		oracle__write_request1__free_unpacked(o, NULL);
		done(&d);
	}
}

/* Cut off anywhere, or with a length that is not its own: refused, or what protobuf-c makes of it. */
static void damaged_plain_samples(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS * 4; round++) {
		char bytes[128];
		struct slice body = one_sample(bytes, 1, draw_bits(), 1 + draw(10), false);
		bytes[draw((uint32_t)body.len)] = (char)draw(256);
		body.len -= draw(3) == 0 ? draw((uint32_t)body.len) : 0;
		struct decoded d = decode(body, INGEST_REMOTE_WRITE_1);
		Oracle__WriteRequest1 *o = oracle__write_request1__unpack(NULL, body.len, (const uint8_t *)body.ptr);
		if (d.code == 0 && d.batch->series_count == 1) {
			assert_non_null(o);
			assert_int_equal(o->timeseries[0]->n_samples, d.batch->sample_count);
			for (size_t i = 0; i < d.batch->sample_count; i++)
				assert_true(d.batch->series[0].samples[i].time_ms ==
				            o->timeseries[0]->samples[i]->timestamp);
		}
		assert_true(o != NULL || d.code == -EINVAL || d.rejects.count > 0);
		if (o != NULL)
			oracle__write_request1__free_unpacked(o, NULL);
		done(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(round_trips),
	    cmocka_unit_test(damaged),
	    cmocka_unit_test(times_of_every_length),
	    cmocka_unit_test(damaged_plain_samples),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
