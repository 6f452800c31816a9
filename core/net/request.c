/* What handlers may ask of a request, and a request's own life. */
#include "net/internal.h"

#include <errno.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

/* What a pooled request may hold on to. */
enum { POOL_MAX = 256, KEEP_HEAD = 4096, KEEP_REPLY = 4096 };

_Thread_local struct http_request *request_running;

struct http_request *request_new(struct loop *l)
{
	struct http_request *req = l->request_pool;
	if (req != NULL) {
		l->request_pool = req->pool_next;
		l->requests_pooled--;
	} else {
		req = mem_zalloc(1, sizeof *req);
		if (req == NULL)
			return NULL;
		req->magic = REQUEST_MAGIC;
		req->loop = l;
		arena_init(&req->arena);
	}
	req->refs = 1;
	reader_reset(&req->reader, &l->server->limits, KEEP_HEAD);
	return req;
}

void request_free(struct http_request *req)
{
	CHECK(req->magic == REQUEST_MAGIC);
	reader_reset(&req->reader, &req->loop->server->limits, 0);
	arena_deinit(&req->arena);
	reply_release(req);
	buf_free(&req->out);
	req->magic = 0;
	mem_free(req);
}

static void recycle(struct http_request *req)
{
	struct loop *l = req->loop;

	if (req->handed_out) {
		TAILQ_REMOVE(&l->handed, req, handed);
		l->handed_count--;
	}
	if (l->requests_pooled == POOL_MAX) {
		req->handed_out = false;
		request_free(req);
		return;
	}
	reader_reset(&req->reader, &l->server->limits, KEEP_HEAD);
	arena_reset(&req->arena, 0);
	reply_release(req);
	if (req->out.cap > KEEP_REPLY)
		buf_free(&req->out);
	buf_reset(&req->out);
	req->conn = NULL;
	req->admission = (struct admission){0};
	req->route = NULL;
	req->id_len = 0;
	req->body_wire = 0;
	req->handed_out = req->replied = req->close_after = req->linger = req->streams = false;
	req->status = 0;
	__atomic_store_n(&req->abandoned, false, __ATOMIC_RELAXED);
	req->body_at = req->body_len = req->body_sent = req->head_len = req->sent = req->slice = 0;
	req->pool_next = l->request_pool;
	l->request_pool = req;
	l->requests_pooled++;
}

void request_ref(struct http_request *req)
{
	req->refs++;
}

void request_unref(struct http_request *req)
{
	CHECK(req->magic == REQUEST_MAGIC && req->refs > 0);
	if (--req->refs == 0)
		recycle(req);
}

static bool is_plain_id(struct slice id)
{
	for (size_t i = 0; i < id.len; i++) {
		char c = id.ptr[i];
		bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!alnum && c != '.' && c != '_' && c != '-')
			return false;
	}
	return id.len > 0 && id.len <= REQUEST_ID_MAX;
}

void request_identify(struct http_request *req)
{
	static const char digits[] = "0123456789abcdef";
	struct slice sent = head_known_value(&req->reader.head, HEAD_REQUEST_ID);

	if (is_plain_id(sent)) {
		memcpy(req->id, sent.ptr, sent.len);
		req->id_len = (uint32_t)sent.len;
		return;
	}
	uint64_t v = hash_mix(hash_seed(), req->loop->id_state++);
	for (req->id_len = 0; req->id_len < 16; req->id_len++, v >>= 4)
		req->id[req->id_len] = digits[v & 15];
}

/* ---- for handlers ---- */

static const struct http_request *valid(const struct http_request *req)
{
	CHECK(req->magic == REQUEST_MAGIC && !req->replied);
	return req;
}

unsigned http_request_method(const struct http_request *req)
{
	return admit_method(valid(req)->reader.head.method);
}

struct slice http_request_path(const struct http_request *req)
{
	return valid(req)->reader.head.path;
}

struct slice http_request_query(const struct http_request *req)
{
	return valid(req)->reader.head.query;
}

struct slice http_request_header(const struct http_request *req, const char *name)
{
	return head_value(&valid(req)->reader.head, name);
}

struct slice http_request_id(const struct http_request *req)
{
	return slice_new(valid(req)->id, req->id_len);
}

struct slice http_request_body(const struct http_request *req)
{
	static const char padding[HTTP_BODY_PADDING];
	const struct body *b = &valid(req)->reader.body;
	return b->ptr != NULL ? slice_new(b->ptr, b->len) : slice_new(padding, 0);
}

char *http_request_take_body(struct http_request *req, size_t *size)
{
	struct body *b = &req->reader.body;
	valid(req);
	char *ptr = b->ptr;
	*size = b->cap;
	*b = (struct body){0};
	return ptr;
}

void http_body_release(struct http_server *s, size_t size)
{
	CHECK(s->magic == SERVER_MAGIC);
	budget_give(&s->budget, size);
}

/* Names may be percent-coded too; few are, so that most cost a comparison. 1, 0, -ENOMEM. */
static int name_is(struct slice coded, struct slice name, struct arena *arena)
{
	if (slice_eq(coded, name))
		return 1;
	if (coded.len <= name.len || memchr(coded.ptr, '%', coded.len) == NULL)
		return 0;
	char *plain = arena_alloc(arena, coded.len);
	if (plain == NULL)
		return -ENOMEM;
	return slice_eq(slice_new(plain, target_decode_param(coded, plain)), name);
}

static int decode_value(struct slice coded, struct arena *arena, struct slice *out)
{
	char *plain = arena_alloc(arena, coded.len + 1);
	if (plain == NULL)
		return -ENOMEM;
	size_t len = target_decode_param(coded, plain);
	plain[len] = '\0';
	*out = slice_new(plain, len);
	return 1;
}

int http_request_param_next(struct http_request *req, const char *name, size_t *at, struct slice *out)
{
	struct slice query = valid(req)->reader.head.query;
	struct slice wanted = slice_cstr(name);

	while (*at < query.len) {
		const char *begin = query.ptr + *at;
		const char *amp = memchr(begin, '&', query.len - *at);
		size_t len = amp != NULL ? (size_t)(amp - begin) : query.len - *at;
		const char *equals = memchr(begin, '=', len);
		size_t name_len = equals != NULL ? (size_t)(equals - begin) : len;
		size_t value_at = equals != NULL ? name_len + 1 : len;
		*at += len + (amp != NULL);
		int is = name_is(slice_new(begin, name_len), wanted, &req->arena);
		if (is < 0)
			return is;
		if (is)
			return decode_value(slice_new(begin + value_at, len - value_at), &req->arena, out);
	}
	return 0;
}

bool http_request_param(struct http_request *req, const char *name, struct slice *out)
{
	size_t at = 0;
	return http_request_param_next(req, name, &at, out) == 1;
}

bool http_request_is_abandoned(const struct http_request *req)
{
	CHECK(req->magic == REQUEST_MAGIC);
	return __atomic_load_n(&req->abandoned, __ATOMIC_RELAXED);
}
