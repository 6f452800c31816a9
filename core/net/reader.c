/* The phases of a request: head, then nothing, a body of declared length, or chunks and their trailer.
 *
 * llhttp is used where parsing is: for the head, in one piece, and for chunks. A body of declared length only needs counting, so its
 * bytes do not pass through a parser, and long ones are read by the kernel straight to where they stay. The trailer is looked at by code of our own,
 * because llhttp takes folded lines there. A fresh parser for each request: nothing of one can leak into the next. */
#include "net/reader.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"

enum { TRAILER_MAX = 4096, DIRECT_FROM = 16 * 1024, DIRECT_STEP = 64 * 1024 };

/* A chunked body may have this many bytes of framing, and this many times its own size: chunks of one byte pass, endless extensions do not. */
enum { WIRE_SLACK = 64 * 1024, WIRE_TIMES = 16 };

static enum reader_event refuse(struct reader *r, int status, const char *why)
{
	r->phase = READER_BROKEN;
	r->no = (struct refusal){status, why};
	return READER_REFUSED;
}

static enum reader_event refuse_memory(struct reader *r, int code)
{
	if (code == -EDQUOT)
		return refuse(r, 503, "the memory for bodies in flight is used up");
	return refuse(r, 503, "out of memory for the request");
}

void reader_reset(struct reader *r, const struct reader_limits *limits, size_t keep)
{
	if (r->limits != NULL)
		body_free(&r->body, r->limits->budget);
	head_reset(&r->head, keep);
	r->limits = limits;
	r->phase = READER_IN_HEAD;
	r->left = r->wire = r->passed = 0;
	r->discard = false;
	r->trailer = (struct trailer){0};
	r->no = (struct refusal){0};
}

bool reader_has_begun(const struct reader *r)
{
	return r->phase != READER_IN_HEAD || r->head.raw.len > 0;
}

/* ---- the head ---- */

static enum reader_event take_head(struct reader *r)
{
	struct head *h = &r->head;
	if (!head_parse(h, &r->parser, &r->no)) {
		r->phase = READER_BROKEN;
		return READER_REFUSED;
	}
	r->phase = READER_AT_END;
	r->left = h->content_length;
	if (h->content_length > 0)
		r->phase = READER_IN_FIXED;
	if (h->chunked)
		r->phase = READER_IN_CHUNKS;
	return READER_HEAD;
}

/* The head that comes in one piece, as nearly all do, is searched where it lies and copied once its end is known. */
static enum reader_event feed_head(struct reader *r, const char *bytes, size_t len, size_t *used)
{
	struct head *h = &r->head;
	size_t before = h->raw.len;
	size_t limit = r->limits->header_bytes;
	size_t end = 0;
	size_t n = len < limit - before ? len : limit - before;
	enum head_found found;

	if (len == 0)
		return READER_MORE;
	if (before == 0) {
		found = head_find(&h->scan, bytes, n, &end, &r->no);
		buf_append(&h->raw, bytes, found == HEAD_COMPLETE ? end : n);
	} else {
		buf_append(&h->raw, bytes, n);
		if (buf_failed(&h->raw))
			return refuse_memory(r, -ENOMEM);
		found = head_find(&h->scan, h->raw.ptr, h->raw.len, &end, &r->no);
	}
	if (buf_failed(&h->raw))
		return refuse_memory(r, -ENOMEM);
	if (found == HEAD_REFUSED) {
		r->phase = READER_BROKEN;
		return READER_REFUSED;
	}
	if (found == HEAD_MORE && h->raw.len == limit)
		return refuse(r, 431, "the request line and headers are too long");
	*used = found == HEAD_MORE ? n : end - before;
	if (found == HEAD_MORE)
		return READER_MORE;
	h->raw.len = end;
	return take_head(r);
}

/* ---- a body of declared length ---- */

/* `n` more bytes of a body of declared length have come. */
static enum reader_event fixed_came(struct reader *r, size_t n)
{
	CHECK(r->phase == READER_IN_FIXED && n <= r->left);
	r->left -= n;
	if (r->discard)
		r->passed += n;
	else
		r->body.len += n;
	if (r->left > 0)
		return READER_MORE;
	body_finish(&r->body);
	r->phase = READER_AT_END;
	return READER_DONE;
}

static enum reader_event feed_fixed(struct reader *r, const char *bytes, size_t len, size_t *used)
{
	size_t n = len < r->left ? len : (size_t)r->left;
	CHECK(r->head.content_length <= r->limits->body_bytes);
	if (n == 0)
		return READER_MORE;
	if (r->discard) {
		*used = n;
		return fixed_came(r, n);
	}
	int code = body_reserve(&r->body, r->body.len + n, r->head.content_length, r->limits->budget);
	if (code != 0)
		return refuse_memory(r, code);
	memcpy(r->body.ptr + r->body.len, bytes, n);
	*used = n;
	return reader_landed(r, n);
}

size_t reader_direct(struct reader *r, char **at)
{
	if (r->phase != READER_IN_FIXED || r->left < DIRECT_FROM || r->discard)
		return 0;
	CHECK(r->head.content_length <= r->limits->body_bytes);
	size_t step = r->left < DIRECT_STEP ? (size_t)r->left : DIRECT_STEP;
	size_t need = r->body.len + step;
	if (body_room(&r->body) < DIRECT_FROM &&
	    body_reserve(&r->body, need, r->head.content_length, r->limits->budget) != 0)
		return 0; /* feeding will find the same, and say so */
	size_t room = body_room(&r->body);
	*at = r->body.ptr + r->body.len;
	return room < r->left ? room : (size_t)r->left;
}

enum reader_event reader_landed(struct reader *r, size_t n)
{
	return fixed_came(r, n);
}

/* ---- chunks ---- */

static int on_chunk_header(llhttp_t *parser)
{
	struct reader *r = parser->data;
	uint64_t size = parser->content_length;
	if (size == 0)
		return HPE_PAUSED; /* the last one */
	if (size <= r->limits->body_bytes - reader_seen(r))
		return 0;
	refuse(r, 413, "the body is too large");
	return -1;
}

/* `wire` bytes of the body have been seen, framing and all. Looked at before each chunk's bytes and at the end of what was fed. */
static bool is_nearly_empty(const struct reader *r, uint64_t wire)
{
	return wire > WIRE_SLACK + WIRE_TIMES * reader_seen(r);
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
	struct reader *r = parser->data;
	if (is_nearly_empty(r, r->wire + (uint64_t)(at - r->fed))) {
		refuse(r, 400, "the chunks of the body are nearly empty");
		return -1;
	}
	CHECK(len <= r->limits->body_bytes - reader_seen(r));
	if (r->discard) {
		r->passed += len;
		return 0;
	}
	int code = body_reserve(&r->body, r->body.len + len, r->limits->body_bytes, r->limits->budget);
	if (code != 0) {
		refuse_memory(r, code);
		return -1;
	}
	memcpy(r->body.ptr + r->body.len, at, len);
	r->body.len += len;
	return 0;
}

static const llhttp_settings_t chunk_settings = {.on_chunk_header = on_chunk_header, .on_body = on_body};

static enum reader_event feed_chunks(struct reader *r, const char *bytes, size_t len, size_t *used)
{
	if (len == 0)
		return READER_MORE;
	if (r->wire == 0) {
		llhttp_resume(&r->parser);
		r->parser.settings = (void *)(uintptr_t)&chunk_settings;
		r->parser.data = r;
	}
	r->fed = bytes;
	llhttp_errno_t code = llhttp_execute(&r->parser, bytes, len);
	if (code != HPE_OK && code != HPE_PAUSED)
		return r->phase == READER_BROKEN ? READER_REFUSED
		                                 : refuse(r, 400, "the chunks of the body are malformed");
	*used = code == HPE_OK ? len : (size_t)(llhttp_get_error_pos(&r->parser) - bytes);
	r->wire += *used;
	if (is_nearly_empty(r, r->wire))
		return refuse(r, 400, "the chunks of the body are nearly empty");
	if (code == HPE_PAUSED)
		r->phase = READER_IN_TRAILER;
	return READER_MORE;
}

/* ---- the trailer ---- */

static bool is_token(char c)
{
	bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
	return alnum || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* False when the byte may not be there. */
static bool trailer_byte(struct trailer *t, char c)
{
	if (c == '\r') {
		t->cr = true;
		return t->line == 0 || t->colon;
	}
	if (t->line++ > 0 && t->colon)
		return (unsigned char)c >= ' ' || c == '\t';
	t->colon = c == ':';
	return t->colon ? t->line > 1 : is_token(c);
}

static enum reader_event feed_trailer(struct reader *r, const char *bytes, size_t len, size_t *used)
{
	struct trailer *t = &r->trailer;
	for (size_t i = 0; i < len; i++) {
		char c = bytes[i];
		if (++t->bytes > TRAILER_MAX)
			return refuse(r, 431, "the trailer is too long");
		if (!t->cr) {
			if (!trailer_byte(t, c))
				return refuse(r, 400, "the trailer is malformed");
			continue;
		}
		if (c != '\n')
			return refuse(r, 400, "a CR must be followed by LF");
		bool last = t->line == 0;
		t->line = 0;
		t->cr = t->colon = false;
		if (!last)
			continue;
		*used = i + 1;
		body_finish(&r->body);
		r->phase = READER_AT_END;
		return READER_DONE;
	}
	*used = len;
	return READER_MORE;
}

static enum reader_event feed_phase(struct reader *r, const char *bytes, size_t len, size_t *used)
{
	switch (r->phase) {
	case READER_IN_HEAD:
		return feed_head(r, bytes, len, used);
	case READER_IN_FIXED:
		return feed_fixed(r, bytes, len, used);
	case READER_IN_CHUNKS:
		return feed_chunks(r, bytes, len, used);
	case READER_IN_TRAILER:
		return feed_trailer(r, bytes, len, used);
	case READER_AT_END:
		return READER_DONE;
	case READER_BROKEN:
		break;
	}
	return READER_REFUSED;
}

enum reader_event reader_feed(struct reader *r, const char *bytes, size_t len, size_t *used)
{
	enum reader_event event;
	size_t total = 0;

	*used = 0;
	do {
		size_t n = 0;
		event = feed_phase(r, bytes + total, len - total, &n);
		total += n;
		if (event != READER_MORE)
			break;
		if (n == 0 && total < len)
			break;
	} while (total < len);
	*used = total;
	return event;
}
