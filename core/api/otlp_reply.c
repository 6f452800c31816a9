/* The few messages that OTLP answers with, as bytes. */
#include "api/otlp_reply.h"

#include <stdio.h>

#include "api/internal.h"
#include "base/header.h"
#include "base/varint.h"

enum { FIELD_PARTIAL_SUCCESS = 1, FIELD_REJECTED = 1, FIELD_ERROR_MESSAGE = 2, FIELD_CODE = 1, FIELD_MESSAGE = 2 };

/* google.rpc.Code. */
enum { CODE_INVALID_ARGUMENT = 3, CODE_RESOURCE_EXHAUSTED = 8, CODE_INTERNAL = 13, CODE_UNAVAILABLE = 14 };

enum otlp_encoding otlp_encoding_of(const struct http_request *req)
{
	struct slice type = http_request_header(req, "content-type");

	if (media_type_is(type, "application/x-protobuf"))
		return OTLP_PROTOBUF;
	return media_type_is(type, "application/json") ? OTLP_JSON : OTLP_NEITHER;
}

/* ---- Protocol Buffers ---- */

static size_t varint_size(uint64_t v)
{
	size_t size = 1;

	for (; v >= 0x80; v >>= 7)
		size++;
	return size;
}

/* A field of bytes; nothing where there are none, as proto3 has it. */
static void put_text(struct buf *out, uint32_t field, struct slice text)
{
	if (text.len == 0)
		return;
	varint_put(out, field << 3 | 2);
	varint_put(out, text.len);
	buf_slice_append(out, text);
}

static void put_number(struct buf *out, uint32_t field, uint64_t v)
{
	if (v == 0)
		return;
	varint_put(out, field << 3);
	varint_put(out, v);
}

/* ---- messages ---- */

static void write_response_protobuf(struct buf *out, uint64_t rejected, struct slice message)
{
	size_t size = rejected > 0 ? 1 + varint_size(rejected) : 0;

	if (message.len > 0)
		size += 1 + varint_size(message.len) + message.len;
	varint_put(out, FIELD_PARTIAL_SUCCESS << 3 | 2);
	varint_put(out, size);
	put_number(out, FIELD_REJECTED, rejected);
	put_text(out, FIELD_ERROR_MESSAGE, message);
}

/* Numbers of 64 bits are strings in protobuf's JSON. */
static void write_response_json(struct buf *out, const char *rejected_name, uint64_t rejected, struct slice message)
{
	buf_printf(out, "{\"partialSuccess\":{\"%s\":\"%llu\",\"errorMessage\":", rejected_name,
	           (unsigned long long)rejected);
	buf_json_string(out, message);
	buf_str(out, "}}");
}

void otlp_write_response(struct buf *out, enum otlp_encoding encoding, const char *rejected_name, uint64_t rejected,
                         struct slice message)
{
	bool partial = rejected > 0 || message.len > 0;

	if (encoding == OTLP_PROTOBUF && partial)
		write_response_protobuf(out, rejected, message);
	else if (encoding != OTLP_PROTOBUF && partial)
		write_response_json(out, rejected_name, rejected, message);
	else if (encoding != OTLP_PROTOBUF)
		buf_str(out, "{}");
}

static int code_of(int status)
{
	if (status == 429 || status == 413)
		return CODE_RESOURCE_EXHAUSTED;
	if (status >= 500)
		return status == 503 ? CODE_UNAVAILABLE : CODE_INTERNAL;
	return CODE_INVALID_ARGUMENT;
}

void otlp_write_status(struct buf *out, enum otlp_encoding encoding, int status, struct slice message)
{
	if (encoding == OTLP_PROTOBUF) {
		put_number(out, FIELD_CODE, (uint64_t)code_of(status));
		put_text(out, FIELD_MESSAGE, message);
		return;
	}
	buf_printf(out, "{\"code\":%d,\"message\":", code_of(status));
	buf_json_string(out, message);
	buf_byte(out, '}');
}

/* ---- answers ---- */

/* Without memory for what is to be said the status stands for itself. */
static void reply(struct http_request *req, int status, int retry_after_s, struct buf *body)
{
	char retry_after[16];
	bool protobuf = otlp_encoding_of(req) == OTLP_PROTOBUF;
	snprintf(retry_after, sizeof retry_after, "%d", retry_after_s);
	struct http_header header = {"Retry-After", slice_cstr(retry_after)};

	http_reply(req, &(struct http_reply){
	                    .status = status,
	                    .content_type = protobuf ? "application/x-protobuf" : "application/json",
	                    .headers = &header,
	                    .header_count = retry_after_s > 0,
	                    .body = !buf_failed(body) ? buf_slice(body)
	                            : protobuf        ? SLICE("")
	                                              : SLICE("{}"),
	                });
	buf_free(body);
}

void otlp_reply_taken(struct http_request *req, const char *rejected_name, uint64_t rejected, struct slice message)
{
	struct buf body = {0};

	otlp_write_response(&body, otlp_encoding_of(req), rejected_name, rejected, message);
	/* Without memory to say what was refused 200 would say that nothing was. What is there is known when it comes again. */
	bool said = !buf_failed(&body);
	reply(req, said ? 200 : 503, said ? 0 : 1, &body);
}

void otlp_reply_error(struct http_request *req, int status, int retry_after_s, struct slice message)
{
	struct buf body = {0};

	otlp_write_status(&body, otlp_encoding_of(req), status, message);
	reply(req, status, retry_after_s, &body);
}

void otlp_reply_unsupported(struct http_request *req)
{
	otlp_reply_error(req, 415, 0,
	                 SLICE(NOTHING_TAKEN "Content-Type must be application/x-protobuf or application/json"));
}
