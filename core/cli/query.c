/* moongate query: a question in PromQL to a gateway that runs, or to any server with Prometheus's API. */
#include "cli/query.h"

#include <curl/curl.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/internal.h"
#include "promql/promql.h"

enum { ANSWER_MAX = 256 << 20, STEPS = 60, PLOT_HEIGHT = 16, WIDTH = 80, WAIT_S = 300 };

static const char *target = "http://127.0.0.1:4318", *expression, *at, *range, *step, *token, *plot, *as_json;

static const struct flag flags[] = {
    {"--target", "URL", "whom to ask (default: http://127.0.0.1:4318)", &target},
    {"--at", "TIME", "RFC 3339 or Unix seconds; the end of a range (default: now)", &at},
    {"--range", "DUR", "ask for so long a time before it: 1h, 7d", &range},
    {"--step", "DUR", "distance of the values of a range (default: a sixtieth of it)", &step},
    {"--plot", NULL, "draw a range (default of it: 1h)", &plot},
    {"--json", NULL, "print the answer as it comes", &as_json},
    {"--token", "TEXT", "for a gateway with tokens (default: $MOONGATE_TOKEN)", &token},
    {NULL, NULL, NULL, NULL},
};

struct question {
	double from, to, step; /* seconds; step 0: an instant */
};

/* ---- what was typed ---- */

static int wrong(const char *flag, const char *found, const char *wanted)
{
	fprintf(stderr, "moongate query: %s: found '%s', wanted %s\n", flag, found, wanted);
	return EXIT_USAGE;
}

static bool read_duration(const char *text, double *seconds)
{
	struct arena arena;
	struct promql_expr *e;
	struct error err;

	arena_init(&arena);
	bool fine = promql_parse(slice_cstr(text), &arena, &e, &err) == 0 && e->kind == PROMQL_NUMBER;
	*seconds = fine ? e->number.value : 0;
	arena_deinit(&arena);
	return fine && *seconds > 0 && *seconds < 1e11;
}

static bool read_time(const char *text, double *seconds)
{
	int64_t ns;
	char *end;

	*seconds = strtod(text, &end);
	if (end != text && *end == '\0' && fabs(*seconds) < 1e11)
		return true;
	bool fine = clock_parse_rfc3339(slice_cstr(text), &ns);
	*seconds = fine ? clock_seconds(ns) : 0;
	return fine;
}

static int read_question(struct question *q)
{
	double span = 0;

	if (plot != NULL && range == NULL)
		range = "1h";
	*q = (struct question){.to = clock_seconds(clock_wall_ns())};
	if (at != NULL && !read_time(at, &q->to))
		return wrong("--at", at, "a time such as 2026-01-31T12:00:00Z or 1769860800");
	if (range != NULL && !read_duration(range, &span))
		return wrong("--range", range, "a duration such as 1h");
	if (step != NULL && !read_duration(step, &q->step))
		return wrong("--step", step, "a duration such as 1m");
	if (range == NULL) {
		q->step = 0;
	} else if (step == NULL) {
		q->step = span < STEPS ? 1 : ceil(span / STEPS);
	}
	q->from = q->to - span;
	return 0;
}

/* ---- asking ---- */

static size_t take(char *bytes, size_t size, size_t count, void *ctx)
{
	struct buf *b = ctx;

	buf_append(b, bytes, size * count);
	return buf_failed(b) || b->len > ANSWER_MAX ? 0 : size * count;
}

static void put_parameter(CURL *easy, struct buf *form, const char *name, const char *value)
{
	char *escaped = curl_easy_escape(easy, value, 0);

	buf_printf(form, "%s%s=%s", form->len > 0 ? "&" : "", name, escaped != NULL ? escaped : "");
	form->failed |= escaped == NULL;
	curl_free(escaped);
}

static void put_seconds(CURL *easy, struct buf *form, const char *name, double seconds)
{
	char text[40];

	snprintf(text, sizeof text, "%.3f", seconds);
	put_parameter(easy, form, name, text);
}

static void make_form(CURL *easy, const struct question *q, struct buf *form)
{
	put_parameter(easy, form, "query", expression);
	if (q->step > 0) {
		put_seconds(easy, form, "start", q->from);
		put_seconds(easy, form, "end", q->to);
		put_seconds(easy, form, "step", q->step);
	} else {
		put_seconds(easy, form, "time", q->to);
	}
	buf_byte(form, '\0');
}

static int fetch(CURL *easy, const char *url, const char *form, struct buf *answer, struct error *err)
{
	char why[CURL_ERROR_SIZE] = "";

	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, form);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)WAIT_S);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	if (token != NULL && *token != '\0') {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
		curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, token);
	}
	CURLcode code = curl_easy_perform(easy);
	if (buf_failed(answer))
		return error_set(err, -ENOMEM, "out of memory for the answer");
	if (code != CURLE_OK)
		return error_set(err, -EIO, "%s: %s", target, *why != '\0' ? why : curl_easy_strerror(code));
	return 0;
}

static int ask(const struct question *q, struct buf *answer, struct error *err)
{
	struct buf url = {0}, form = {0};
	CURL *easy = curl_easy_init();
	size_t len = strlen(target);

	while (len > 0 && target[len - 1] == '/')
		len--;
	buf_printf(&url, "%.*s/api/v1/%s", (int)len, target, q->step > 0 ? "query_range" : "query");
	buf_byte(&url, '\0');
	if (easy != NULL)
		make_form(easy, q, &form);
	int code = easy == NULL || buf_failed(&url) || buf_failed(&form)
	               ? error_set(err, -ENOMEM, "out of memory for the question")
	               : fetch(easy, url.ptr, form.ptr, answer, err);
	curl_easy_cleanup(easy);
	buf_free(&url);
	buf_free(&form);
	return code;
}

/* ---- showing ---- */

static uint32_t terminal_width(void)
{
	struct winsize size;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40 ? size.ws_col : WIDTH;
}

static void show(const struct query_answer *a, const struct question *q)
{
	for (uint32_t i = 0; i < a->note_count; i++)
		fprintf(stderr, "%s\n", a->notes[i]);
	if (strcmp(a->type, "string") == 0) {
		printf("%s\n", a->text);
	} else if (strcmp(a->type, "scalar") == 0) {
		printf("%s\n", a->series[0].texts[0]);
	} else if (a->series_count == 0) {
		fprintf(stderr, "no series\n");
	} else if (plot != NULL && q->step > 0) {
		const char *no_color = getenv("NO_COLOR");
		struct query_plot p = {.width = terminal_width(),
		                       .height = PLOT_HEIGHT,
		                       .colors = isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == '\0'),
		                       .from = q->from,
		                       .to = q->to};
		query_print_plot(a, &p, stdout);
	} else {
		query_print_table(a, stdout);
	}
}

static int run_query(int argc, char **argv)
{
	struct question q;
	struct query_answer answer = {0};
	struct buf text = {0};
	struct error err = {0};
	int code = flags_read(&command_query, argc, argv);

	if (code != 0)
		return code < 0 ? EXIT_FINE : code;
	if (expression == NULL) {
		fprintf(stderr,
		        "moongate query: wanted is an expression, such as 'sum(rate(agent_created_total[5m]))'\n");
		return EXIT_USAGE;
	}
	if (read_question(&q) != 0)
		return EXIT_USAGE;
	if (token == NULL)
		token = getenv("MOONGATE_TOKEN");
	code = ask(&q, &text, &err);
	if (code == 0)
		code = query_answer_read(buf_slice(&text), &answer, &err);
	if (as_json != NULL && text.len > 0)
		printf("%.*s\n", (int)text.len, text.ptr);
	else if (code == 0)
		show(&answer, &q);
	if (code != 0 && (as_json == NULL || text.len == 0))
		fprintf(stderr, "moongate query: %s\n", err.text);
	query_answer_free(&answer);
	buf_free(&text);
	return code == 0 ? EXIT_FINE : EXIT_FAILED;
}

const struct command command_query = {
    .name = "query",
    .summary = "Ask in PromQL, and see a table or a chart",
    .usage = "EXPR [--range 1h] [--step 1m] [--plot] [--at TIME] [--target URL]",
    .details = "  moongate query 'topk(5, sum by (user_id) (rate(agent_cost_usd_total[5m])))'\n"
               "  moongate query 'sum(rate(agent_created_total[5m]))' --range 6h --plot\n",
    .run = run_query,
    .flags = flags,
    .operand = &expression,
};
