/* Taking a complete head apart: llhttp (strict) splits the fields and reads the lengths; what a server must refuse beyond that is refused here.
 *
 * The parser is stopped behind the empty line by on_headers_complete, and must stand exactly at the end that head_find saw: two readers
 * that disagree about where a request ends are how requests are smuggled. */
#include "net/head.h"

#include <string.h>

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
	struct head *h = parser->data;
	h->target = slice_new(at, len);
	return 0;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len)
{
	struct head *h = parser->data;
	if (h->count == HEAD_FIELDS_MAX)
		return -1;
	h->fields[h->count++] = (struct head_field){.name = (uint32_t)(at - h->raw.ptr), .name_len = (uint32_t)len};
	return 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
	struct head *h = parser->data;
	struct slice value = header_trim(slice_new(at, len));
	if (h->count == 0)
		return -1;
	h->fields[h->count - 1].value = (uint32_t)(value.ptr - h->raw.ptr);
	h->fields[h->count - 1].value_len = (uint32_t)value.len;
	return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
	(void)parser;
	return HPE_PAUSED;
}

static const llhttp_settings_t head_settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
};

static enum head_known know(struct slice name)
{
	static const char *const names[HEAD_KNOWN] = {
	    [HEAD_HOST] = "host",
	    [HEAD_ORIGIN] = "origin",
	    [HEAD_EXPECT] = "expect",
	    [HEAD_REQUEST_ID] = "x-request-id",
	    [HEAD_AUTHORIZATION] = "authorization",
	    [HEAD_CONTENT_LENGTH] = "content-length",
	    [HEAD_ACCEPT_ENCODING] = "accept-encoding",
	    [HEAD_CONTENT_ENCODING] = "content-encoding",
	    [HEAD_TRANSFER_ENCODING] = "transfer-encoding",
	};
	enum head_known candidate = HEAD_OTHER;

	switch (name.len) {
	case 4:
		candidate = HEAD_HOST;
		break;
	case 6:
		candidate = (name.ptr[0] | 0x20) == 'o' ? HEAD_ORIGIN : HEAD_EXPECT;
		break;
	case 12:
		candidate = HEAD_REQUEST_ID;
		break;
	case 13:
		candidate = HEAD_AUTHORIZATION;
		break;
	case 14:
		candidate = HEAD_CONTENT_LENGTH;
		break;
	case 15:
		candidate = HEAD_ACCEPT_ENCODING;
		break;
	case 16:
		candidate = HEAD_CONTENT_ENCODING;
		break;
	case 17:
		candidate = HEAD_TRANSFER_ENCODING;
		break;
	default:
		return HEAD_OTHER;
	}
	return header_is(name, names[candidate]) ? candidate : HEAD_OTHER;
}

static void index_fields(struct head *h)
{
	for (uint32_t i = 0; i < h->count; i++) {
		enum head_known k = know(slice_new(h->raw.ptr + h->fields[i].name, h->fields[i].name_len));
		if (h->times[k]++ == 0)
			h->known[k] = (uint8_t)(i + 1);
	}
}

/* A host as it may stand in a URL, with or without a port: what could be taken for something else by whoever reads it next is refused. */
static bool is_host(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!alnum && (c == '\0' || strchr("-._~!$&'()*+;=%:[]", c) == NULL))
			return false;
	}
	return s.len > 0;
}

/* A message whose length could be read in two ways. */
static const char *check_framing(const struct head *h)
{
	if (h->times[HEAD_CONTENT_LENGTH] > 1)
		return "more than one Content-Length";
	if (h->times[HEAD_TRANSFER_ENCODING] == 0)
		return NULL;
	if (h->times[HEAD_CONTENT_LENGTH] > 0)
		return "Content-Length and Transfer-Encoding together";
	if (h->minor == 0)
		return "Transfer-Encoding in HTTP/1.0";
	if (h->times[HEAD_TRANSFER_ENCODING] > 1 || !header_is(head_known_value(h, HEAD_TRANSFER_ENCODING), "chunked"))
		return "Transfer-Encoding must be chunked, once";
	return NULL;
}

static const char *check_fields(const struct head *h)
{
	if (h->times[HEAD_HOST] > 1 || (h->times[HEAD_HOST] == 0 && h->minor == 1))
		return "there must be exactly one Host header";
	if (h->times[HEAD_HOST] == 1 && !is_host(head_known_value(h, HEAD_HOST)))
		return "the Host header must be a host name or address with an optional port";
	if (h->times[HEAD_AUTHORIZATION] > 1)
		return "more than one Authorization header";
	return check_framing(h);
}

static bool refuse(struct refusal *no, int status, const char *why)
{
	*no = (struct refusal){status, why};
	return false;
}

static bool refuse_parsed(const struct head *h, llhttp_errno_t code, struct refusal *no)
{
	if (h->count == HEAD_FIELDS_MAX && code == HPE_USER)
		return refuse(no, 431, "more than 100 headers");
	switch (code) {
	case HPE_INVALID_METHOD:
		return refuse(no, 400, "the method is unknown");
	case HPE_INVALID_URL:
		return refuse(no, 400, "the request target is malformed");
	case HPE_INVALID_HEADER_TOKEN:
		return refuse(no, 400, "a header has a character that may not be there");
	case HPE_INVALID_CONTENT_LENGTH:
		return refuse(no, 400, "Content-Length is not a number of bytes");
	case HPE_UNEXPECTED_CONTENT_LENGTH:
		return refuse(no, 400, "Content-Length more than once, or with Transfer-Encoding");
	default:
		return refuse(no, 400, "the head of the request is malformed");
	}
}

bool head_parse(struct head *h, llhttp_t *parser, struct refusal *no)
{
	const char *end = h->raw.ptr + h->raw.len;
	const char *begin = h->raw.ptr + h->scan.begin;

	llhttp_init(parser, HTTP_REQUEST, &head_settings);
	parser->data = h;
	llhttp_errno_t code = llhttp_execute(parser, begin, (size_t)(end - begin));
	if (code != HPE_PAUSED)
		return refuse_parsed(h, code, no);
	if (llhttp_get_error_pos(parser) != end)
		return refuse(no, 400, "the head of the request is malformed");
	h->method = llhttp_get_method(parser);
	h->minor = llhttp_get_http_minor(parser);
	index_fields(h);
	const char *why = check_fields(h);
	if (why != NULL)
		return refuse(no, 400, why);
	bool closes = (parser->flags & F_CONNECTION_CLOSE) != 0;
	h->keep_alive = !closes && (h->minor == 1 || (parser->flags & F_CONNECTION_KEEP_ALIVE) != 0);
	h->chunked = h->times[HEAD_TRANSFER_ENCODING] > 0;
	h->content_length = h->chunked ? 0 : parser->content_length;
	parser->upgrade = 0; /* no other protocol is spoken here, whatever the client proposes */
	return target_parse(h, h->raw.ptr + (h->target.ptr - h->raw.ptr), h->target.len, no);
}

void head_reset(struct head *h, size_t keep)
{
	if (h->raw.cap > keep)
		buf_free(&h->raw);
	buf_reset(&h->raw);
	h->scan = (struct head_scan){0};
	h->count = 0;
	h->method = HTTP_GET; /* what a head that cannot be parsed is answered as */
	h->minor = 1;
	h->keep_alive = h->chunked = false;
	h->content_length = 0;
	memset(h->known, 0, sizeof h->known);
	memset(h->times, 0, sizeof h->times);
	h->target = h->path = h->query = SLICE("");
}

static struct slice value_at(const struct head *h, uint32_t i)
{
	return slice_new(h->raw.ptr + h->fields[i].value, h->fields[i].value_len);
}

struct slice head_known_value(const struct head *h, enum head_known which)
{
	if (h->known[which] == 0)
		return (struct slice){0};
	return value_at(h, h->known[which] - 1u);
}

struct slice head_value(const struct head *h, const char *name)
{
	struct slice wanted = slice_cstr(name);
	for (uint32_t i = 0; i < h->count; i++) {
		if (header_same(slice_new(h->raw.ptr + h->fields[i].name, h->fields[i].name_len), wanted))
			return value_at(h, i);
	}
	return (struct slice){0};
}
