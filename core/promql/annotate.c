/* What is said of a result beside it: warnings and infos.
 *
 * As in Prometheus the same sentence counts once, wherever it was said, and is told with the last place. Sentences are sorted, where Prometheus tells them in no order. */
#include "promql/annotate.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/table.h"

enum { TOLD_MAX = 10 };

struct annotation_item {
	enum annotation_kind kind;
	uint32_t at;
	struct slice text; /* without its place; in the evaluation's arena */
};

struct annotation {
	struct annotation_item *items;
	size_t cap;
	uint32_t count;
	struct table by_text;
};

int annotations_open(struct eval *ev)
{
	ev->annotations = (struct annotation *)eval_alloc(ev, sizeof *ev->annotations);
	if (ev->annotations == NULL)
		return ev->err->code;
	*ev->annotations = (struct annotation){0};
	table_init(&ev->annotations->by_text);
	return 0;
}

void annotations_close(struct eval *ev)
{
	struct annotation *a = ev->annotations;
	if (a == NULL)
		return;
	eval_release(ev, a->items, a->cap * sizeof *a->items);
	table_deinit(&a->by_text);
	ev->annotations = NULL;
}

static bool same(const void *ctx, const void *key, uint32_t item)
{
	const struct annotation_item *items = ((const struct annotation *)ctx)->items, *k = key;
	return items[item].kind == k->kind && slice_eq(items[item].text, k->text);
}

static bool add(struct eval *ev, struct annotation_item item, uint64_t hash)
{
	struct annotation *a = ev->annotations;

	if (a->count == a->cap) {
		size_t cap = a->cap == 0 ? 8 : a->cap * 2;
		void *items = eval_realloc(ev, a->items, a->cap * sizeof *a->items, cap * sizeof *a->items);
		if (items == NULL)
			return false;
		a->items = (struct annotation_item *)items;
		a->cap = cap;
	}
	char *copy = (char *)eval_alloc(ev, item.text.len);
	if (copy == NULL)
		return false;
	memcpy(copy, item.text.ptr, item.text.len);
	item.text.ptr = copy;
	if (table_add(&a->by_text, hash, a->count) != 0)
		return false;
	a->items[a->count++] = item;
	return true;
}

void eval_annotate(struct eval *ev, enum annotation_kind kind, uint32_t at, const char *format, ...)
{
	struct annotation *a = ev->annotations;
	char room[512];
	char *text = room;
	va_list args;

	va_start(args, format);
	int len = vsnprintf(room, sizeof room, format, args);
	va_end(args);
	if (len >= (int)sizeof room) {
		text = (char *)mem_alloc((size_t)len + 1);
		va_start(args, format);
		len = text == NULL ? -1 : vsnprintf(text, (size_t)len + 1, format, args);
		va_end(args);
	}
	if (len >= 0) {
		struct annotation_item item = {kind, at, slice_new(text, (size_t)len)};
		uint64_t hash = hash_bytes(text, item.text.len, hash_seed());
		uint32_t found = table_find(&a->by_text, hash, same, a, &item);
		if (found == TABLE_NONE && !add(ev, item, hash))
			len = -1;
		if (found != TABLE_NONE && a->items[found].at < at)
			a->items[found].at = at;
	}
	if (len < 0)
		eval_no_memory(ev);
	if (text != room)
		mem_free(text);
}

/* ---- the result ---- */

/* "line:column" of the query's text, bytes from 1 on. */
static void place(struct slice text, uint32_t at, struct buf *out)
{
	uint32_t line = 1, begin = 0;

	for (uint32_t i = 0; i < at && i < text.len; i++) {
		if (text.ptr[i] == '\n') {
			line++;
			begin = i + 1;
		}
	}
	buf_printf(out, "%u:%u", line, at - begin + 1);
}

static void write_text(const struct eval *ev, const struct annotation_item *item, struct buf *out)
{
	buf_reset(out);
	buf_str(out, item->kind == ANNOTATION_INFO ? "PromQL info: " : "PromQL warning: ");
	buf_slice_append(out, item->text);
	if (ev->query->text.len > 0) {
		buf_str(out, " (");
		place(ev->query->text, item->at, out);
		buf_byte(out, ')');
	}
}

/* Those of a kind, all: texts in the result's arena. */
static uint32_t write_all(struct eval *ev, enum annotation_kind kind, struct promql_result *out, struct slice *texts,
                          struct buf *room)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < ev->annotations->count && !buf_failed(room); i++) {
		if (ev->annotations->items[i].kind != kind)
			continue;
		write_text(ev, &ev->annotations->items[i], room);
		texts[count] = arena_copy(&out->arena, buf_slice(room));
		room->failed |= texts[count].ptr == NULL;
		count++;
	}
	return count;
}

static int write_kind(struct eval *ev, enum annotation_kind kind, struct promql_result *out)
{
	struct buf room = {0};
	size_t size = ((size_t)ev->annotations->count + 1) * sizeof(struct slice);
	struct slice *texts = (struct slice *)arena_alloc(&out->arena, size);
	if (texts == NULL)
		return -ENOMEM;

	uint32_t count = write_all(ev, kind, out, texts, &room);
	if (count > 0)
		qsort(texts, count, sizeof *texts, slice_order);
	if (count > TOLD_MAX) {
		buf_reset(&room);
		buf_printf(&room, "%u more %s annotations omitted", count - TOLD_MAX,
		           kind == ANNOTATION_INFO ? "info" : "warning");
		texts[TOLD_MAX] = arena_copy(&out->arena, buf_slice(&room));
		room.failed |= texts[TOLD_MAX].ptr == NULL;
		count = TOLD_MAX + 1;
	}
	int code = buf_failed(&room) ? -ENOMEM : 0;
	buf_free(&room);
	if (kind == ANNOTATION_INFO) {
		out->infos = texts;
		out->info_count = count;
	} else {
		out->warnings = texts;
		out->warning_count = count;
	}
	return code;
}

int annotations_write(struct eval *ev, struct promql_result *out)
{
	int code = write_kind(ev, ANNOTATION_INFO, out);
	if (code == 0)
		code = write_kind(ev, ANNOTATION_WARNING, out);
	return code == 0 ? 0 : eval_no_memory(ev);
}
