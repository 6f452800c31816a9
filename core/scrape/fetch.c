/* See fetch.h. An easy handle lives as long as a transfer: it takes some 20 KiB, and there may be ten thousand targets. */
#include "scrape/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "scrape/collect.h"

#ifndef MOONGATE_VERSION
#define MOONGATE_VERSION "unknown"
#endif

enum { REDIRECTS_MAX = 10, CONNECTIONS_KEPT = 256, SECRET_BYTES_MAX = 64 << 10 };

/* What Prometheus 3 sends, but for Protocol Buffers. */
#define ACCEPT                                                                                                         \
	"Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"                               \
	"application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"        \
	"text/plain;version=0.0.4;q=0.3,*/*;q=0.2"

struct fetcher {
	CURLM *multi;
	uint64_t bodies_bytes, bodies_max;
	uint64_t received;
	uint32_t asked, asked_max;
	struct mutex lock; /* nobody waits for these: to rest where libcurl cannot */
	struct condition rest;
};

#define REST_NS (100 * NS_PER_MS)

struct fetch {
	struct fetcher *fetcher;
	struct target *target;
	CURL *easy;
	struct curl_slist *headers, *connect_to;
	struct buf body;
	enum scrape_result stopped; /* why write_body took no more; SCRAPE_OK: it did not stop */
	char error[CURL_ERROR_SIZE];
};

/* No connection beyond those of targets that are asked: one that rests makes room. libcurl does not have to make anybody wait for one, which would take from the time that a target has. */
static int bound_connections(struct fetcher *f)
{
	long most = (long)f->asked_max;
	long kept = most < CONNECTIONS_KEPT ? most : CONNECTIONS_KEPT;

	if (curl_multi_setopt(f->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, most) != 0)
		return -ENOMEM;
	return curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, kept) == 0 ? 0 : -ENOMEM;
}

struct fetcher *fetcher_new(uint64_t bodies_bytes, uint32_t asked_max, struct error *err)
{
	struct fetcher *f = mem_zalloc(1, sizeof *f);

	if (f == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
		error_set(err, -ENOMEM, "no memory for libcurl");
		mem_free(f);
		return NULL;
	}
	f->bodies_max = bodies_bytes;
	f->asked_max = asked_max;
	mutex_init(&f->lock);
	condition_init(&f->rest);
	f->multi = curl_multi_init();
	if (f->multi == NULL || bound_connections(f) != 0) {
		error_set(err, -ENOMEM, "no memory for libcurl");
		fetcher_free(f);
		return NULL;
	}
	return f;
}

void fetcher_free(struct fetcher *f)
{
	if (f == NULL)
		return;
	curl_multi_cleanup(f->multi);
	curl_global_cleanup();
	condition_deinit(&f->rest);
	mutex_deinit(&f->lock);
	mem_free(f);
}

/* ---- the answer ---- */

static size_t write_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct fetch *fetch = ctx;
	struct fetcher *f = fetch->fetcher;
	size_t len = size * count;
	long status = 0;

	curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		fetch->stopped = SCRAPE_STATUS;
	else if (fetch->body.len + len > fetch->target->job->body_bytes || f->bodies_bytes + len > f->bodies_max)
		fetch->stopped = SCRAPE_TOO_LARGE;
	if (fetch->stopped != SCRAPE_OK)
		return CURL_WRITEFUNC_ERROR;
	buf_append(&fetch->body, bytes, len);
	if (buf_failed(&fetch->body))
		return CURL_WRITEFUNC_ERROR;
	f->bodies_bytes += len;
	f->received += len;
	return len;
}

/* Takes a transfer apart; its body goes to *body, or with it when that is NULL. */
static void end(struct fetch *fetch, struct buf *body)
{
	struct fetcher *f = fetch->fetcher;

	curl_multi_remove_handle(f->multi, fetch->easy);
	curl_easy_cleanup(fetch->easy);
	curl_slist_free_all(fetch->headers);
	curl_slist_free_all(fetch->connect_to);
	f->bodies_bytes -= fetch->body.len;
	f->asked--;
	fetch->target->fetch = NULL;
	fetch->target->state = TARGET_RESTS;
	if (body != NULL)
		*body = fetch->body;
	else
		buf_free(&fetch->body);
	mem_free(fetch);
}

/* Says in the target's round how a transfer ended, and in which format its body is. */
static void judge(struct fetch *fetch, CURLcode code, enum ingest_text *format)
{
	struct scrape_round *r = &fetch->target->round;
	const char *type = NULL;
	long status = 0;

	curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(fetch->easy, CURLINFO_CONTENT_TYPE, &type);
	if (fetch->stopped == SCRAPE_TOO_LARGE)
		round_fail(r, SCRAPE_TOO_LARGE,
		           "the answer is too long: body_bytes is %llu, and all answers in flight may have %llu",
		           (unsigned long long)fetch->target->job->body_bytes,
		           (unsigned long long)fetch->fetcher->bodies_max);
	else if (fetch->stopped == SCRAPE_STATUS || (code == CURLE_OK && status != 200))
		round_fail(r, SCRAPE_STATUS, "the answer has the status %ld, wanted 200", status);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		round_fail(r, SCRAPE_TIMEOUT, "no whole answer within %g s: %s",
		           clock_seconds(fetch->target->timeout_ns), fetch->error);
	else if (code == CURLE_BAD_CONTENT_ENCODING)
		round_fail(r, SCRAPE_MALFORMED, "the answer cannot be inflated: %s", fetch->error);
	else if (code != CURLE_OK)
		round_fail(r, SCRAPE_UNREACHABLE, "%s",
		           *fetch->error != '\0' ? fetch->error : curl_easy_strerror(code));
	else if (!collect_format(type, format))
		round_fail(
		    r, SCRAPE_MALFORMED,
		    "the answer has the Content-Type \"%.100s\", wanted text/plain or application/openmetrics-text",
		    type);
}

/* ---- the question ---- */

/* The text of a file without white space at its end. False: it cannot be read, which the round says. */
static bool read_secret(struct scrape_round *r, const char *path, struct buf *out)
{
	struct error err = {0};

	if (file_read_all(path, SECRET_BYTES_MAX, out, &err) != 0) {
		round_fail(r, SCRAPE_UNREACHABLE, "%.500s", err.text);
		return false;
	}
	while (out->len > 0 && (unsigned char)out->ptr[out->len - 1] <= ' ')
		out->len--;
	buf_byte(out, '\0');
	return !buf_failed(out);
}

/* Sets one option, unless one before failed. */
#define SET(code_, easy_, option_, value_)                                                                             \
	do {                                                                                                           \
		if ((code_) == CURLE_OK)                                                                               \
			(code_) = curl_easy_setopt((easy_), (option_), (value_));                                      \
	} while (0)

static CURLcode set_credentials(struct fetch *fetch)
{
	const struct config_scrape *job = fetch->target->job;
	const char *file =
	    job->basic_auth.password_file != NULL ? job->basic_auth.password_file : job->bearer_token_file;
	struct buf secret = {0};
	CURLcode code = CURLE_OK;

	if (file != NULL && !read_secret(&fetch->target->round, file, &secret)) {
		buf_free(&secret);
		return CURLE_READ_ERROR;
	}
	if (job->basic_auth.username != NULL) {
		const char *password = file != NULL ? secret.ptr : job->basic_auth.password;
		SET(code, fetch->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		SET(code, fetch->easy, CURLOPT_USERNAME, job->basic_auth.username);
		SET(code, fetch->easy, CURLOPT_PASSWORD, password != NULL ? password : "");
	} else if (file != NULL || job->bearer_token != NULL) {
		SET(code, fetch->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
		SET(code, fetch->easy, CURLOPT_XOAUTH2_BEARER, file != NULL ? secret.ptr : job->bearer_token);
	}
	buf_free(&secret); /* libcurl has a copy */
	return code;
}

/* A certificate is checked against the host of the URL. For another name that one is asked for, and the connection made to the target all the same; a redirect to any other host goes there. */
static CURLcode set_server_name(struct fetch *fetch)
{
	const struct target *t = fetch->target;
	struct buf text = {0};
	CURLcode code = CURLE_OK;

	const char *port = strrchr(t->address, ':');
	bool has_port = port != NULL && strchr(port, ']') == NULL;
	int host = has_port ? (int)(port - t->address) : (int)strlen(t->address);
	const char *rest = strchr(t->url + sizeof "https://" - 1, '/');
	buf_printf(&text, "https://%s%s%s%c", t->job->tls.server_name, has_port ? port : "", rest, 0);
	size_t connect_to = text.len;
	buf_printf(&text, "%s::%.*s:%c", t->job->tls.server_name, host, t->address, 0);
	size_t header = text.len;
	buf_printf(&text, "Host: %s%c", t->address, 0);
	if (!buf_failed(&text)) {
		fetch->connect_to = curl_slist_append(NULL, text.ptr + connect_to);
		struct curl_slist *headers = curl_slist_append(fetch->headers, text.ptr + header);
		fetch->headers = headers != NULL ? headers : fetch->headers;
		code = fetch->connect_to != NULL && headers != NULL ? CURLE_OK : CURLE_OUT_OF_MEMORY;
		SET(code, fetch->easy, CURLOPT_URL, text.ptr);
		SET(code, fetch->easy, CURLOPT_CONNECT_TO, fetch->connect_to);
	} else {
		code = CURLE_OUT_OF_MEMORY;
	}
	buf_free(&text);
	return code;
}

static CURLcode set_tls(struct fetch *fetch)
{
	const struct config_scrape *job = fetch->target->job;
	CURLcode code = CURLE_OK;

	if (job->tls.ca != NULL) {
		SET(code, fetch->easy, CURLOPT_CAINFO, job->tls.ca);
		SET(code, fetch->easy, CURLOPT_CAPATH, (char *)NULL);
	}
	if (job->tls.cert != NULL) {
		SET(code, fetch->easy, CURLOPT_SSLCERT, job->tls.cert);
		SET(code, fetch->easy, CURLOPT_SSLKEY, job->tls.key);
	}
	SET(code, fetch->easy, CURLOPT_SSL_VERIFYPEER, job->tls.insecure ? 0L : 1L);
	SET(code, fetch->easy, CURLOPT_SSL_VERIFYHOST, job->tls.insecure ? 0L : 2L);
	if (code == CURLE_OK && job->tls.server_name != NULL && strncmp(fetch->target->url, "https:", 6) == 0)
		code = set_server_name(fetch);
	return code;
}

static CURLcode set_headers(struct fetch *fetch)
{
	const struct config_scrape *job = fetch->target->job;
	struct buf line = {0};
	bool fine = true;

	for (uint32_t i = 0; i < job->headers.count + 2 && fine; i++) {
		buf_reset(&line);
		if (i == 0)
			buf_str(&line, ACCEPT);
		else if (i == 1)
			buf_printf(&line, "X-Prometheus-Scrape-Timeout-Seconds: %g",
			           clock_seconds(fetch->target->timeout_ns));
		else
			buf_printf(&line, "%s: %s", job->headers.items[i - 2].name, job->headers.items[i - 2].value);
		buf_byte(&line, '\0');
		struct curl_slist *longer = buf_failed(&line) ? NULL : curl_slist_append(fetch->headers, line.ptr);
		fine = longer != NULL;
		fetch->headers = fine ? longer : fetch->headers;
	}
	buf_free(&line);
	return fine ? CURLE_OK : CURLE_OUT_OF_MEMORY;
}

static CURLcode set_request(struct fetch *fetch)
{
	const struct target *t = fetch->target;
	CURL *easy = fetch->easy;
	CURLcode code = CURLE_OK;
	int64_t ms = t->timeout_ns / NS_PER_MS;

	SET(code, easy, CURLOPT_ERRORBUFFER, fetch->error);
	SET(code, easy, CURLOPT_URL, t->url);
	SET(code, easy, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(code, easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	SET(code, easy, CURLOPT_FOLLOWLOCATION, t->job->follow_redirects ? 1L : 0L);
	SET(code, easy, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
	SET(code, easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(code, easy, CURLOPT_PROXY, "");
	SET(code, easy, CURLOPT_NOSIGNAL, 1L);
	SET(code, easy, CURLOPT_QUICK_EXIT, 1L); /* a name that does not resolve keeps nobody from ending */
	SET(code, easy, CURLOPT_TIMEOUT_MS, (long)(ms > 0 ? ms : 1));
	SET(code, easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	SET(code, easy, CURLOPT_USERAGENT, "moongate/" MOONGATE_VERSION);
	SET(code, easy, CURLOPT_WRITEFUNCTION, write_body);
	SET(code, easy, CURLOPT_WRITEDATA, fetch);
	SET(code, easy, CURLOPT_PRIVATE, fetch);
	if (code == CURLE_OK)
		code = set_headers(fetch);
	if (code == CURLE_OK)
		code = set_tls(fetch);
	SET(code, easy, CURLOPT_HTTPHEADER, fetch->headers);
	return code == CURLE_OK ? set_credentials(fetch) : code;
}

bool fetcher_has_room(const struct fetcher *f)
{
	return f->asked < f->asked_max;
}

bool fetch_begin(struct fetcher *f, struct target *t)
{
	struct fetch *fetch = mem_zalloc(1, sizeof *fetch);
	CURL *easy = fetch != NULL ? curl_easy_init() : NULL;

	if (easy == NULL) {
		mem_free(fetch);
		round_fail(&t->round, SCRAPE_UNREACHABLE, "no memory for asking");
		return false;
	}
	*fetch = (struct fetch){.fetcher = f, .target = t, .easy = easy};
	t->fetch = fetch;
	f->asked++;
	t->state = TARGET_ASKED;
	CURLcode code = set_request(fetch);
	if (code == CURLE_OK && curl_multi_add_handle(f->multi, easy) != CURLM_OK)
		code = CURLE_OUT_OF_MEMORY;
	if (code == CURLE_OK)
		return true;
	if (t->round.result == SCRAPE_OK)
		round_fail(&t->round, SCRAPE_UNREACHABLE, "it cannot be asked: %s", curl_easy_strerror(code));
	end(fetch, NULL);
	return false;
}

void fetch_cancel(struct fetcher *f, struct target *t)
{
	(void)f;
	if (t->fetch != NULL)
		end(t->fetch, NULL);
}

/* ---- the loop ---- */

void fetcher_work(struct fetcher *f, int ms)
{
	int running = 0;

	if (curl_multi_poll(f->multi, NULL, 0, ms, NULL) != CURLM_OK) { /* no memory; it did not wait then */
		mutex_lock(&f->lock);
		condition_wait_for(&f->rest, &f->lock, REST_NS);
		mutex_unlock(&f->lock);
	}
	curl_multi_perform(f->multi, &running);
}

void fetcher_wake(struct fetcher *f)
{
	curl_multi_wakeup(f->multi);
}

bool fetcher_next(struct fetcher *f, struct fetched *out)
{
	int left = 0;
	const CURLMsg *message;
	struct fetch *fetch = NULL;

	do {
		message = curl_multi_info_read(f->multi, &left);
		if (message == NULL)
			return false;
	} while (message->msg != CURLMSG_DONE);
	curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &fetch);
	CURLcode code = message->data.result; /* the message goes with its handle */
	*out = (struct fetched){.target = fetch->target, .format = INGEST_TEXT};
	judge(fetch, code, &out->format);
	end(fetch, &out->body);
	char *padding = buf_room(&out->body, INGEST_PADDING);
	if (padding != NULL)
		memset(padding, 0, INGEST_PADDING);
	else if (out->target->round.result == SCRAPE_OK)
		round_fail(&out->target->round, SCRAPE_TOO_LARGE, "no memory for the answer");
	return true;
}

uint64_t fetcher_received(const struct fetcher *f)
{
	return f->received;
}
