/* The status codes that the gateway answers with. */
#include "net/status.h"

#include "net/net.h"

static const struct {
	int status;
	const char *reason;
	const char *code;
} statuses[] = {
    {200, "OK", "ok"},
    {201, "Created", "created"},
    {202, "Accepted", "accepted"},
    {204, "No Content", "no_content"},
    {301, "Moved Permanently", "moved"},
    {302, "Found", "found"},
    {303, "See Other", "see_other"},
    {304, "Not Modified", "not_modified"},
    {307, "Temporary Redirect", "redirect"},
    {308, "Permanent Redirect", "redirect"},
    {400, "Bad Request", "bad_request"},
    {401, "Unauthorized", "unauthorized"},
    {403, "Forbidden", "forbidden"},
    {404, "Not Found", "not_found"},
    {405, "Method Not Allowed", "method_not_allowed"},
    {406, "Not Acceptable", "not_acceptable"},
    {408, "Request Timeout", "timeout"},
    {409, "Conflict", "conflict"},
    {410, "Gone", "gone"},
    {412, "Precondition Failed", "precondition_failed"},
    {413, "Content Too Large", "too_large"},
    {415, "Unsupported Media Type", "unsupported_media_type"},
    {417, "Expectation Failed", "expectation_failed"},
    {422, "Unprocessable Content", "unprocessable"},
    {429, "Too Many Requests", "too_many_requests"},
    {431, "Request Header Fields Too Large", "headers_too_large"},
    {499, "Client Closed Request", "client_closed"},
    {500, "Internal Server Error", "internal"},
    {502, "Bad Gateway", "bad_gateway"},
    {503, "Service Unavailable", "unavailable"},
    {504, "Gateway Timeout", "gateway_timeout"},
    {507, "Insufficient Storage", "insufficient_storage"},
};

static const size_t status_count = sizeof statuses / sizeof *statuses;

const char *status_reason(int status)
{
	for (size_t i = 0; i < status_count; i++) {
		if (statuses[i].status == status)
			return statuses[i].reason;
	}
	return "Status";
}

const char *status_code(int status)
{
	for (size_t i = 0; i < status_count; i++) {
		if (statuses[i].status == status)
			return statuses[i].code;
	}
	return status < 500 ? "bad_request" : "internal";
}

void http_error_member(struct buf *out, int status, struct slice message)
{
	buf_str(out, "\"error\":{\"code\":\"");
	buf_str(out, status_code(status));
	buf_str(out, "\",\"message\":");
	buf_json_string(out, message);
	buf_byte(out, '}');
}

void status_json(struct buf *out, int status, struct slice message, const char *members)
{
	buf_byte(out, '{');
	http_error_member(out, status, message);
	if (members != NULL) {
		buf_byte(out, ',');
		buf_str(out, members);
	}
	buf_byte(out, '}');
}
