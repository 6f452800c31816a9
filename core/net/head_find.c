/* Finding the end of a head and checking its lines before anything is parsed.
 *
 * The whole head is looked at here first, and only a complete and well-formed one goes to llhttp, in one piece. So how a client's bytes are
 * cut into packets cannot change what is understood, and what llhttp 8.1 lets pass even in strict mode (folded lines, empty names, a bare
 * CR) never gets to it. */
#include "net/head.h"

#include <string.h>

static enum head_found refuse(struct refusal *no, const char *why)
{
	*no = (struct refusal){400, why};
	return HEAD_REFUSED;
}

static bool is_method(const char *at, size_t len)
{
	if (len == 0 || len > 24)
		return false;
	for (size_t i = 0; i < len; i++) {
		if ((at[i] < 'A' || at[i] > 'Z') && at[i] != '-' && at[i] != '_')
			return false;
	}
	return true;
}

/* METHOD SP target SP HTTP/1.x, with nothing more between them than one space each. */
static const char *check_request_line(const char *line, size_t len)
{
	static const size_t version = sizeof " HTTP/1.1" - 1;
	const char *space = memchr(line, ' ', len);
	if (space == NULL || !is_method(line, (size_t)(space - line)))
		return "the request line must be METHOD, target and version";
	const char *target = space + 1;
	if (len < (size_t)(target - line) + 1 + version)
		return "the request line must end in HTTP/1.0 or HTTP/1.1";
	const char *end = line + len - version;
	if (memcmp(end, " HTTP/1.", version - 1) != 0 || (end[version - 1] != '0' && end[version - 1] != '1'))
		return "the request line must end in HTTP/1.0 or HTTP/1.1";
	for (const char *c = target; c < end; c++) {
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
			return "the request target must be visible ASCII without spaces";
	}
	return NULL;
}

/* A field's line: the rest is left to llhttp. */
static const char *check_field_line(const char *line)
{
	if (*line == ' ' || *line == '\t')
		return "a header must not be folded over lines";
	if (*line == ':')
		return "a header must have a name";
	return NULL;
}

/* The line from s->line to `cr` is complete. */
static enum head_found take_line(struct head_scan *s, const char *bytes, const char *cr, struct refusal *no)
{
	const char *line = bytes + s->line;
	size_t len = (size_t)(cr - line);
	const char *why = NULL;

	if (len == 0 && s->lines > 0)
		return HEAD_COMPLETE;
	if (len == 0 && s->begin > 0)
		return refuse(no, "more than one empty line before the request line");
	if (len == 0) {
		s->begin = 2;
		return HEAD_MORE;
	}
	why = s->lines == 0 ? check_request_line(line, len) : check_field_line(line);
	if (why != NULL)
		return refuse(no, why);
	s->lines++;
	return HEAD_MORE;
}

/* The first line is not complete: is it one that can never become a request (TLS, another protocol)? */
static bool is_hopeless(const struct head_scan *s, const char *bytes, size_t len)
{
	if (s->lines > 0 || len == s->line)
		return false;
	const char *line = bytes + s->line;
	size_t have = len - s->line;
	const char *end = memchr(line, ' ', have);
	size_t method = end != NULL ? (size_t)(end - line) : have;
	if (end == NULL && line[method - 1] == '\r')
		method--;
	return method > 0 ? !is_method(line, method) : end != NULL;
}

enum head_found head_find(struct head_scan *s, const char *bytes, size_t len, size_t *end, struct refusal *no)
{
	while (s->at < len) {
		const char *at = bytes + s->at;
		const char *cr = memchr(at, '\r', len - s->at);
		if (memchr(at, '\n', cr != NULL ? (size_t)(cr - at) : len - s->at) != NULL)
			return refuse(no, "a line must end in CR LF, not in LF alone");
		if (cr == NULL || cr + 1 == bytes + len) {
			s->at = cr == NULL ? len : (size_t)(cr - bytes);
			break;
		}
		if (cr[1] != '\n')
			return refuse(no, "a CR must be followed by LF");
		enum head_found found = take_line(s, bytes, cr, no);
		s->line = s->at = (size_t)(cr - bytes) + 2;
		if (found == HEAD_COMPLETE)
			*end = s->at;
		if (found != HEAD_MORE)
			return found;
	}
	if (is_hopeless(s, bytes, len))
		return refuse(no, "this is not HTTP/1.1");
	return HEAD_MORE;
}
