/* The list of refused events, and the decoders' default limits. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ingest/ingest.h"

enum {
	REJECT_TEXT_MAX = 512,
	ROOM_MIN = 256 * 1024,
	ENTRY_BYTES = 32 /* {"index":123456,"error":""}, and the comma */
};

size_t ingest_rejects_room(size_t body_len)
{
	return 2 * body_len > ROOM_MIN ? 2 * body_len : ROOM_MIN;
}

int ingest_reject_add(struct ingest_rejects *rejects, struct arena *texts, uint32_t index, const char *format, ...)
{
	char text[REJECT_TEXT_MAX];
	va_list args;
	va_start(args, format);
	int len = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (len < 0)
		len = 0;
	if (len >= REJECT_TEXT_MAX)
		len = REJECT_TEXT_MAX - 1;
	if (rejects->room < (size_t)len + ENTRY_BYTES) {
		rejects->unlisted++;
		return 0;
	}
	if (rejects->count == rejects->cap &&
	    mem_grow((void **)&rejects->items, &rejects->cap, rejects->count, sizeof *rejects->items) != 0)
		return -ENOMEM;
	struct slice copy = arena_copy(texts, slice_new(text, (size_t)len));
	if (copy.ptr == NULL)
		return -ENOMEM;
	rejects->room -= (size_t)len + ENTRY_BYTES;
	rejects->items[rejects->count++] = (struct ingest_reject){index, copy};
	return 0;
}

void ingest_rejects_free(struct ingest_rejects *rejects)
{
	mem_free(rejects->items);
	*rejects = (struct ingest_rejects){0};
}

void ingest_limits_default(struct ingest_limits *limits)
{
	*limits = (struct ingest_limits){
	    .depth = 32,
	    .fields = 1024,
	    .key_bytes = 256,
	    .string_bytes = 65536,
	    .event_bytes = 1 << 20,
	    .events = 100000,
	};
}

void ingest_sample_limits_default(struct ingest_sample_limits *limits)
{
	*limits = (struct ingest_sample_limits){
	    .series = 200000,
	    .samples = 1000000,
	    .exemplars = 100000,
	    .metadata = 100000,
	    .label_bytes = 64 << 20,
	};
}
