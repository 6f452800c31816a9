/* Any bytes as what a client sends: read as requests, whole, in two pieces, and with their bodies thrown away, which must give the same; admitted, their bodies inflated.
 *
 * The input's first two bytes say where it is cut, the next one how. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/admit.h"
#include "net/net.h"
#include "net/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REQUESTS_MAX = 16, BODY_BYTES = 1 << 18, BUDGET_BYTES = 1 << 20 };

/* What was understood of one request, small enough to compare. */
struct understood {
	enum reader_event event;
	int status;
	int method, minor;
	bool keep_alive;
	uint32_t fields;
	uint64_t path, query, body;
	size_t body_len, used;
};

enum bodies { KEEP, DISCARD };

static void ignore(void *ctx, struct http_request *req)
{
	(void)ctx;
	(void)req;
}

static const struct http_bodies silent = {.silent_snappy = "application/x-protobuf"};

static const struct http_route routes[] = {
    {"/v1/events", HTTP_POST_, SCOPE_INGEST, ignore, NULL},
    {"/api/v1/write", HTTP_POST_, SCOPE_NONE, ignore, &silent},
    {"/metrics", HTTP_GET_, SCOPE_QUERY, ignore, NULL},
    {"/label/*", HTTP_GET_ | HTTP_POST_ | HTTP_PUT_ | HTTP_DELETE_, SCOPE_NONE, ignore, NULL},
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static uint64_t sum(struct slice s)
{
	uint64_t h = 1469598103934665603ULL;
	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.ptr[i]) * 1099511628211ULL;
	return h;
}

/* Feeds [from, to) and then [to, size). */
static enum reader_event feed(struct reader *r, enum bodies bodies, const char *bytes, size_t from, size_t to,
                              size_t size, size_t *used)
{
	enum reader_event event = READER_HEAD;
	size_t at = from;
	for (int piece = 0; piece < 2; piece++) {
		size_t end = piece == 0 ? to : size;
		event = READER_HEAD;
		while (event == READER_HEAD) {
			size_t n = 0;
			event = reader_feed(r, bytes + at, end - at, &n);
			must(n <= end - at);
			at += n;
			if (event == READER_HEAD && r->head.content_length > BODY_BYTES)
				break;
			r->discard |= event == READER_HEAD && bodies == DISCARD;
		}
		if (event != READER_MORE)
			break;
		must(at == end);
	}
	*used = at - from;
	return event;
}

/* Paths that are let through begin with a slash and have nothing to climb with. */
static void check_path(const struct head *h)
{
	if (h->path.len == 1 && h->path.ptr[0] == '*')
		return;
	must(h->path.len > 0 && h->path.ptr[0] == '/');
	must(memchr(h->path.ptr, '\0', h->path.len) == NULL);
	must(memmem(h->path.ptr, h->path.len, "//", 2) == NULL);
	must(memmem(h->path.ptr, h->path.len, "/../", 4) == NULL);
}

static void check_params(struct slice query)
{
	char *out = malloc(query.len + 1);
	must(out != NULL && target_decode_param(query, out) <= query.len);
	free(out);
}

static void inflate(struct slice in, enum encoding encoding, struct budget *budget)
{
	struct inflater *f = inflater_new(encoding);
	struct refusal no = {0};
	enum inflated state = INFLATE_MORE;

	must(f != NULL);
	inflater_begin(f, in, BODY_BYTES, budget);
	while (state == INFLATE_MORE)
		state = inflater_run(f, 10000, &no);
	must((state == INFLATE_REFUSED) == (no.status != 0));
	if (state == INFLATE_DONE) {
		struct body body = inflater_take(f);
		must(body.len <= BODY_BYTES);
		body_free(&body, budget);
	}
	inflater_free(f);
}

static void look(struct reader *r, const struct gate *gate, struct understood *u)
{
	struct admission admission;
	const struct head *h = &r->head;

	u->method = h->method;
	u->minor = h->minor;
	u->keep_alive = h->keep_alive;
	u->fields = h->count;
	u->path = sum(h->path);
	u->query = sum(h->query);
	check_path(h);
	check_params(h->query);
	admit(gate, h, 0, &admission);
	must((admission.route == NULL) == (admission.no.status != 0));
	u->status = admission.no.status;
	if (u->event != READER_DONE)
		return;
	u->body = r->discard ? 0 : sum(slice_new(r->body.ptr, r->body.len));
	u->body_len = reader_seen(r);
	must(u->body_len <= BODY_BYTES);
	must(h->chunked || u->body_len == h->content_length);
	must(!r->discard || r->body.ptr == NULL);
	if (r->body.len > 0 && (admission.encoding == ENCODING_GZIP || admission.encoding == ENCODING_ZSTD))
		inflate(slice_new(r->body.ptr, r->body.len), admission.encoding, r->limits->budget);
}

/* Reads the bytes as requests one after the other, each cut at `cut` of what is left of the input. */
static int understand(const char *bytes, size_t size, uint32_t cut, enum bodies bodies, struct understood *out)
{
	static const struct http_token token = {.scopes = SCOPE_QUERY};
	struct budget budget = {.max = BUDGET_BYTES};
	struct reader_limits limits = {.header_bytes = 4096, .body_bytes = BODY_BYTES, .budget = &budget};
	struct gate gate = {
	    .routes = routes,
	    .route_count = sizeof routes / sizeof *routes,
	    .tokens = &token,
	    .token_count = 1,
	    .body_bytes = BODY_BYTES,
	    .budget = &budget,
	};
	struct reader r = {0};
	size_t at = 0;
	int n = 0;

	while (n < REQUESTS_MAX && at < size) {
		struct understood *u = &out[n++];
		memset(u, 0, sizeof *u);
		reader_reset(&r, &limits, 1024);
		u->event = feed(&r, bodies, bytes, at, at + cut % (size - at + 1), size, &u->used);
		at += u->used;
		if (u->event == READER_REFUSED) {
			must(r.no.status >= 400 && r.no.why != NULL);
			u->status = r.no.status;
			u->used = 0; /* how much is looked at before a refusal may differ */
			break;
		}
		if (u->event == READER_MORE)
			break;
		look(&r, &gate, u);
		if (u->event != READER_DONE || u->used == 0)
			break;
	}
	reader_reset(&r, &limits, 0);
	buf_free(&r.head.raw);
	must(budget.used == 0);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct understood whole[REQUESTS_MAX], pieces[REQUESTS_MAX], thrown[REQUESTS_MAX];
	if (size < 2)
		return 0;
	uint32_t cut = (uint32_t)data[0] << 8 | data[1];
	const char *bytes = (const char *)data + 2;
	size -= 2;
	int n = understand(bytes, size, 0, KEEP, whole);
	int m = understand(bytes, size, cut, KEEP, pieces);
	must(n == m && memcmp(whole, pieces, sizeof *whole * (size_t)n) == 0);
	m = understand(bytes, size, cut, DISCARD, thrown);
	for (int i = 0; i < n; i++)
		whole[i].body = 0;
	must(n == m && memcmp(whole, thrown, sizeof *whole * (size_t)n) == 0);
	return 0;
}
