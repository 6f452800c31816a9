/* Exemplars and metadata in a checkpoint: the bytes that FORMAT.md describes. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "base/varint.h"
#include "record/labels.h"
#include "tsdb/extras.h"

#define MAGIC "MOONXTRA"

enum {
	VERSION = 1,
	MAGIC_BYTES = 8,
	EXEMPLAR_CHARS_MAX = 128,
	ROW_MIN = 1,                  /* bytes */
	EXEMPLAR_MIN = 1 + 1 + 8 + 1, /* bytes */
	METADATA_MIN = 1 + 1 + 1 + 1, /* bytes */
	NO_ROW = 0                    /* in a map from slots to rows, which count from 1 there */
};

/* ---- saving ---- */

static void put_u32(struct buf *out, uint32_t v)
{
	unsigned char bytes[4] = {(unsigned char)v, (unsigned char)(v >> 8), (unsigned char)(v >> 16),
	                          (unsigned char)(v >> 24)};
	buf_append(out, bytes, sizeof bytes);
}

static void put_double(struct buf *out, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	put_u32(out, (uint32_t)bits);
	put_u32(out, (uint32_t)(bits >> 32));
}

static void put_text(struct buf *out, struct slice s)
{
	varint_put(out, s.len);
	buf_slice_append(out, s);
}

/* The series, in the order in which the ring names them; `rows` learns which is which. */
static void save_rows(const struct exemplars_copy *c, uint32_t *rows, struct buf *out)
{
	size_t count_at = out->len;
	uint32_t count = 0;

	put_u32(out, 0);
	for (uint32_t i = 0; i < c->count; i++) {
		const struct exemplar_row *r = c->items[i]->row;
		if (rows[r->slot] != NO_ROW)
			continue;
		rows[r->slot] = ++count;
		put_text(out, row_labels(r));
	}
	if (buf_failed(out))
		return;
	struct buf number = {.ptr = out->ptr + count_at, .cap = 4};
	put_u32(&number, count);
}

static void save_exemplars(const struct exemplars_copy *c, const uint32_t *rows, struct buf *out)
{
	int64_t before = 0;

	put_u32(out, c->count);
	for (uint32_t i = 0; i < c->count; i++) {
		const struct kept_exemplar *k = c->items[i];
		varint_put(out, rows[k->row->slot] - 1);
		varint_put(out, zigzag((uint64_t)k->time_ms - (uint64_t)before));
		put_double(out, k->value);
		put_text(out, kept_labels(k));
		before = k->time_ms;
	}
}

static void save_metadata(const struct metadata_copy *c, struct buf *out)
{
	put_u32(out, c->count);
	for (uint32_t i = 0; i < c->count; i++) {
		const struct sample_metadata *m = &c->items[i]->m;
		buf_byte(out, (char)m->type);
		put_text(out, m->name);
		put_text(out, m->help);
		put_text(out, m->unit);
	}
}

int extras_save(const struct extras_cut *c, struct buf *out)
{
	uint32_t *rows = mem_zalloc((size_t)c->exemplars.slots + 1, sizeof *rows);

	if (rows == NULL)
		return -ENOMEM;
	buf_append(out, MAGIC, MAGIC_BYTES);
	put_u32(out, VERSION);
	save_rows(&c->exemplars, rows, out);
	save_exemplars(&c->exemplars, rows, out);
	save_metadata(&c->metadata, out);
	mem_free(rows);
	return buf_failed(out) ? -ENOMEM : 0;
}

/* ---- loading: nothing in the bytes is trusted ---- */

struct loading {
	struct extras *x;
	struct slice rest;
	struct slice *rows; /* owned */
	uint32_t row_count;
	struct error *err;
};

static bool get_u32(struct slice *from, uint32_t *v)
{
	if (from->len < 4)
		return false;
	const unsigned char *at = (const unsigned char *)from->ptr;
	*v = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
	*from = slice_new(from->ptr + 4, from->len - 4);
	return true;
}

static bool get_double(struct slice *from, double *v)
{
	uint32_t low, high;

	if (!get_u32(from, &low) || !get_u32(from, &high))
		return false;
	uint64_t bits = (uint64_t)high << 32 | low;
	memcpy(v, &bits, sizeof bits);
	return true;
}

static bool get_text(struct slice *from, struct slice *s)
{
	uint64_t len;

	if (!varint_get(from, &len) || len > from->len)
		return false;
	*s = slice_new(from->ptr, len);
	*from = slice_new(from->ptr + len, from->len - len);
	return true;
}

static int bad(struct loading *l, const char *what, uint32_t index, const char *why)
{
	return error_set(l->err, -EBADMSG, "saved exemplars and metadata: %s %u: %s", what, index, why);
}

/* How many follow, each of at least so many bytes. */
static int get_count(struct loading *l, const char *what, size_t each, uint32_t *count)
{
	if (!get_u32(&l->rest, count) || *count > l->rest.len / each)
		return error_set(l->err, -EBADMSG, "saved exemplars and metadata: the bytes end before their %s do",
		                 what);
	return 0;
}

static int load_rows(struct loading *l)
{
	int code = get_count(l, "series", ROW_MIN, &l->row_count);

	if (code != 0)
		return code;
	l->rows = mem_zalloc((size_t)l->row_count + 1, sizeof *l->rows);
	if (l->rows == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < l->row_count; i++) {
		if (!get_text(&l->rest, &l->rows[i]))
			return bad(l, "series", i, "the bytes end within it");
		if (labels_check(l->rows[i], NULL, NULL) != 0)
			return bad(l, "series", i, "its labels are no label set");
	}
	return 0;
}

static bool is_exemplars(struct slice labels)
{
	size_t chars = 0;

	if (labels_check(labels, NULL, NULL) != 0)
		return false;
	for (struct label l; labels_next(&labels, &l);) {
		utf8_valid(l.name, &chars);
		utf8_valid(l.value, &chars);
	}
	return chars <= EXEMPLAR_CHARS_MAX;
}

static int load_exemplar(struct loading *l, uint32_t index, int64_t *time_ms)
{
	struct sample_exemplar e;
	uint64_t distance;
	uint32_t row;

	if (!varint_get_u32(&l->rest, &row) || !varint_get(&l->rest, &distance) || !get_double(&l->rest, &e.value) ||
	    !get_text(&l->rest, &e.labels))
		return bad(l, "exemplar", index, "the bytes end within it");
	if (row >= l->row_count)
		return bad(l, "exemplar", index, "its series is none of those that were saved");
	if (!is_exemplars(e.labels))
		return bad(l, "exemplar", index, "its labels are no label set, or too long");
	e.time_ms = *time_ms = (int64_t)((uint64_t)*time_ms + unzigzag(distance));
	int code = exemplars_add(&l->x->exemplars, l->rows[row], labels_hash(l->rows[row]), &e);
	if (code < 0)
		return code;
	return code == EXEMPLAR_STORED
	           ? 0
	           : bad(l, "exemplar", index, "its time is not behind that of its series' last one");
}

static int load_exemplars(struct loading *l)
{
	uint32_t count = 0;
	int64_t time_ms = 0;
	int code = get_count(l, "exemplars", EXEMPLAR_MIN, &count);

	for (uint32_t i = 0; code == 0 && i < count; i++)
		code = load_exemplar(l, i, &time_ms);
	return code;
}

static int load_one_metadata(struct loading *l, uint32_t index)
{
	struct sample_metadata m;
	uint32_t had = l->x->metadata.count;

	if (l->rest.len == 0)
		return bad(l, "metadata", index, "the bytes end before it");
	m.type = (enum metadata_type)(unsigned char)*l->rest.ptr;
	l->rest = slice_new(l->rest.ptr + 1, l->rest.len - 1);
	if (!get_text(&l->rest, &m.name) || !get_text(&l->rest, &m.help) || !get_text(&l->rest, &m.unit))
		return bad(l, "metadata", index, "the bytes end within it");
	if (m.type > METADATA_STATESET || !utf8_valid(m.name, NULL) || !utf8_valid(m.help, NULL) ||
	    !utf8_valid(m.unit, NULL))
		return bad(l, "metadata", index, "a type that there is not, or text that is not UTF-8");
	int code = metadata_put(&l->x->metadata, &m);
	if (code == -ENOSPC) /* the bounds may have been larger; it is counted */
		return 0;
	if (code == 0 && l->x->metadata.count == had)
		return bad(l, "metadata", index, "its metric was there before");
	return code;
}

static int load_metadata(struct loading *l)
{
	uint32_t count = 0;
	int code = get_count(l, "metadata", METADATA_MIN, &count);

	for (uint32_t i = 0; code == 0 && i < count; i++)
		code = load_one_metadata(l, i);
	return code;
}

static int load_all(struct loading *l)
{
	uint32_t version;

	if (l->rest.len < MAGIC_BYTES || memcmp(l->rest.ptr, MAGIC, MAGIC_BYTES) != 0)
		return error_set(l->err, -EBADMSG, "saved exemplars and metadata: wanted them to begin with " MAGIC);
	l->rest = slice_new(l->rest.ptr + MAGIC_BYTES, l->rest.len - MAGIC_BYTES);
	if (!get_u32(&l->rest, &version) || version != VERSION)
		return error_set(l->err, -EBADMSG, "saved exemplars and metadata: not of version %d", VERSION);
	int code = load_rows(l);
	if (code == 0)
		code = load_exemplars(l);
	if (code == 0)
		code = load_metadata(l);
	if (code == 0 && l->rest.len > 0)
		return error_set(l->err, -EBADMSG, "saved exemplars and metadata: %zu bytes behind the last one",
		                 l->rest.len);
	return code;
}

int extras_load(struct extras *x, struct slice saved, struct error *err)
{
	struct loading l = {.x = x, .rest = saved, .err = err};
	int code = load_all(&l);

	mem_free(l.rows);
	if (code == 0)
		return 0;
	uint32_t max = x->exemplars.max;
	extras_deinit(x);
	extras_init(x, max);
	return code == -ENOMEM ? error_set(err, code, "out of memory for saved exemplars and metadata") : code;
}
