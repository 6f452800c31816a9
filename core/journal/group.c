/* Groups: filled by the engine thread, one frame behind the other in one buffer, as they will stand in the file. */
#include <errno.h>

#include "base/check.h"
#include "base/mem.h"
#include "journal/internal.h"

struct journal_group *journal_group_begin(struct journal *j, int *code)
{
	struct journal_group *g = NULL;
	mutex_lock(&j->lock);
	*code = j->poisoned;
	for (int i = 0; i < GROUPS && *code == 0 && g == NULL; i++) {
		if (!j->groups[i].busy)
			g = &j->groups[i];
	}
	if (g != NULL)
		g->busy = true;
	mutex_unlock(&j->lock);
	if (g == NULL)
		return NULL;
	buf_reset(&g->bytes);
	g->frames = 0;
	g->frame_open = false;
	g->status = 0;
	g->first_seq = 0;
	g->err.code = 0;
	return g;
}

enum { PADDING = 8 };

/* Room for a frame's end is kept from its beginning on, so that ending it cannot fail. */
static int keep_room(struct journal_group *g)
{
	return buf_room(&g->bytes, PADDING) != NULL ? 0 : -ENOMEM;
}

static bool is_full(const struct journal_group *g)
{
	return g->bytes.len - g->frame_start - FRAME_HEADER_BYTES >= JOURNAL_FRAME_BYTES;
}

char *group_room(struct journal_group *g, size_t bytes)
{
	CHECK(g->frame_open);
	return buf_room(&g->bytes, bytes + PADDING);
}

int group_wrote(struct journal_group *g, const char *end, uint32_t records)
{
	g->bytes.len = (size_t)(end - g->bytes.ptr);
	g->header.count += records;
	return is_full(g) ? 1 : 0;
}

static int frame_begin(struct journal_group *g, enum frame_kind kind, int64_t time_ns)
{
	CHECK(!g->frame_open);
	g->frame_start = g->bytes.len;
	char *at = buf_room(&g->bytes, FRAME_HEADER_BYTES + PADDING);
	if (at == NULL)
		return -ENOMEM;
	g->bytes.len += FRAME_HEADER_BYTES;
	g->header = (struct frame_header){.kind = (uint8_t)kind, .time_ns = time_ns};
	g->frame_open = true;
	return 0;
}

int journal_frame_begin(struct journal_group *g, enum frame_kind kind, int64_t time_ns)
{
	int code = frame_begin(g, kind, time_ns);
	if (code != 0)
		return code;
	if (kind == FRAME_SAMPLES) {
		g->last_number = UINT32_MAX;
		g->last_ms = 0;
	} else {
		encoder_begin(g->journal->encoder, &g->bytes);
	}
	return 0;
}

int journal_frame_add(struct journal_group *g, const struct record *r)
{
	CHECK(g->frame_open);
	int code = encoder_add(g->journal->encoder, r);
	if (code == 0)
		code = keep_room(g);
	if (code != 0)
		return code;
	g->header.count++;
	return is_full(g) ? 1 : 0;
}

void journal_frame_end(struct journal_group *g)
{
	static const char zeros[PADDING];
	CHECK(g->frame_open);
	g->frame_open = false;
	size_t length = g->bytes.len - g->frame_start - FRAME_HEADER_BYTES;
	size_t padding = frame_size((uint32_t)length) - FRAME_HEADER_BYTES - length;
	buf_append(&g->bytes, zeros, padding);
	CHECK(!buf_failed(&g->bytes));
	g->header.length = g->header.raw_length = (uint32_t)length;
	frame_header_put(g->bytes.ptr + g->frame_start, &g->header);
	g->frames++;
}

int journal_control_add(struct journal_group *g, int64_t time_ns, uint8_t type, struct slice payload)
{
	if (payload.len >= FRAME_PAYLOAD_MAX)
		return -E2BIG;
	int code = frame_begin(g, FRAME_CONTROL, time_ns);
	if (code != 0)
		return code;
	buf_byte(&g->bytes, (char)type);
	buf_slice_append(&g->bytes, payload);
	code = keep_room(g);
	if (code != 0)
		return code;
	g->header.count = 1;
	journal_frame_end(g);
	return 0;
}

size_t journal_group_bytes(const struct journal_group *g)
{
	return g->bytes.len;
}

uint32_t journal_group_frames(const struct journal_group *g)
{
	return g->frames;
}

void journal_group_commit(struct journal_group *g)
{
	struct journal *j = g->journal;
	CHECK(!g->frame_open && g->frames > 0);
	mutex_lock(&j->lock);
	g->next = NULL;
	*j->queue_tail = g;
	j->queue_tail = &g->next;
	mutex_unlock(&j->lock);
	condition_signal(&j->wake_sync); /* behind the lock, which it would wait for */
}

int journal_group_status(const struct journal_group *g, struct error *err)
{
	if (g->status != 0 && err != NULL)
		*err = g->err;
	return g->status;
}

uint64_t journal_group_first_seq(const struct journal_group *g)
{
	return g->first_seq;
}

void journal_group_set_user(struct journal_group *g, void *user)
{
	g->user = user;
}

void *journal_group_user(const struct journal_group *g)
{
	return g->user;
}

void journal_group_free(struct journal_group *g)
{
	struct journal *j = g->journal;
	enum { KEEP_BYTES = 2 << 20 };
	if (g->bytes.cap > KEEP_BYTES)
		buf_free(&g->bytes);
	mutex_lock(&j->lock);
	g->busy = false;
	mutex_unlock(&j->lock);
}
