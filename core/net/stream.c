#include "net/stream.h"

#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "net/internal.h"

struct stream {
	bool (*produce)(void *owner, struct buf *out);
	void *owner;
	size_t owner_bytes;
	struct slice first; /* of the body; empty once it was taken */
	bool chunked;
	bool ended; /* the owner has no more */
	struct gzip_stream *gzip;
	struct buf part, packed;
};

struct stream *stream_new(const struct http_reply *reply, bool zipped, bool chunked)
{
	struct stream *s = mem_zalloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	*s = (struct stream){.produce = reply->produce,
	                     .owner = reply->owner,
	                     .owner_bytes = reply->owner_bytes,
	                     .first = reply->body,
	                     .chunked = chunked};
	if (zipped)
		s->gzip = gzip_stream_new();
	if (!zipped || s->gzip != NULL)
		return s;
	mem_free(s);
	return NULL;
}

void stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	gzip_stream_free(s->gzip);
	buf_free(&s->part);
	buf_free(&s->packed);
	mem_free(s);
}

size_t stream_bytes(const struct stream *s)
{
	return s->owner_bytes + s->part.cap + s->packed.cap;
}

/* The next part as the owner makes it. */
static struct slice take_part(struct stream *s)
{
	struct slice first = s->first;

	if (first.len > 0) {
		s->first = SLICE("");
		return first;
	}
	buf_reset(&s->part);
	s->ended = !s->produce(s->owner, &s->part);
	return buf_slice(&s->part);
}

static void put_framed(const struct stream *s, struct slice bytes, struct buf *out)
{
	if (s->chunked && bytes.len > 0)
		buf_printf(out, "%zx\r\n", bytes.len);
	buf_slice_append(out, bytes);
	if (s->chunked && bytes.len > 0)
		buf_str(out, "\r\n");
	if (s->chunked && s->ended)
		buf_str(out, "0\r\n\r\n");
}

int stream_next(struct stream *s, struct buf *out)
{
	size_t before = out->len;

	/* A compressor may keep what it was given for later. */
	while (out->len == before && !s->ended) {
		struct slice part = take_part(s);
		if (s->gzip != NULL) {
			buf_reset(&s->packed);
			if (gzip_stream_put(s->gzip, part, s->ended, &s->packed) != 0)
				return -ENOMEM;
			part = buf_slice(&s->packed);
		}
		put_framed(s, part, out);
		if (buf_failed(&s->part) || buf_failed(out))
			return -ENOMEM;
	}
	return !s->ended;
}
