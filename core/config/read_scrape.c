/* scrape = { { job = "…", targets = { … } }, … }: entries are read like the file's own options, against a table of their own; what hangs together in one is checked here, where its line is known. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "config/read.h"

#define TIMEOUT_NS (10 * NS_PER_S)

static int no_memory(struct reading *r)
{
	return error_set(r->err, -ENOMEM, "out of memory for the configuration");
}

/* ---- lists and pairs ---- */

int read_texts(struct reading *r, lua_State *L, const struct option *o)
{
	struct config_texts *texts = (struct config_texts *)((char *)r->of + o->offset);
	int count = read_list_length(L, CONFIG_TARGETS_MAX);

	if (count < 0)
		return read_refuse(r, o->key, "no list, or a too long one", "a list of at most 10000 texts");
	for (int i = 1; i <= count; i++) {
		lua_rawgeti(L, -1, i);
		const char *text = read_plain_text(L);
		int code = text == NULL || *text == '\0'
		               ? read_refuse(r, o->key, "what is no text, or an empty one", "a list of texts")
		               : config_texts_add(texts, text);
		lua_pop(L, 1);
		if (code != 0)
			return code == -ENOMEM ? no_memory(r) : code;
	}
	return 0;
}

/* The texts of the name below the stack's top: one, or where `many` are allowed a list. */
static int read_values(struct reading *r, lua_State *L, const struct option *o, const char *name)
{
	struct config_pairs *pairs = (struct config_pairs *)((char *)r->of + o->offset);
	const char *text = read_plain_text(L);
	int count = text == NULL && o->type == OPTION_MULTIPAIRS ? read_list_length(L, CONFIG_PAIRS_MAX) : -1;

	if (text != NULL)
		return config_pairs_add(pairs, name, text);
	if (count < 0)
		return read_refuse(r, o->key, "a value that is no text", option_wanted(o));
	for (int i = 1; i <= count; i++) {
		lua_rawgeti(L, -1, i);
		text = read_plain_text(L);
		int code = text == NULL ? read_refuse(r, o->key, "a value that is no text", option_wanted(o))
		                        : config_pairs_add(pairs, name, text);
		lua_pop(L, 1);
		if (code != 0)
			return code;
	}
	return 0;
}

/* Puts the pairs in the order of their names, those of one name as they are: what Lua gives is in none. Few. */
static void sort_pairs(struct config_pairs *p)
{
	for (uint32_t i = 1; i < p->count; i++) {
		struct config_pair pair = p->items[i];
		uint32_t at = i;
		for (; at > 0 && strcmp(p->items[at - 1].name, pair.name) > 0; at--)
			p->items[at] = p->items[at - 1];
		p->items[at] = pair;
	}
}

int read_pairs(struct reading *r, lua_State *L, const struct option *o)
{
	struct config_pairs *pairs = (struct config_pairs *)((char *)r->of + o->offset);

	if (!lua_istable(L, -1))
		return read_refuse(r, o->key, "what is no table", option_wanted(o));
	for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
		lua_pushvalue(L, -2);
		const char *name = read_plain_text(L);
		lua_pop(L, 1); /* it stays below */
		int code = name == NULL || *name == '\0'
		               ? read_refuse(r, o->key, "a name that is no text", option_wanted(o))
		               : read_values(r, L, o, name);
		if (code != 0)
			return code == -ENOMEM ? no_memory(r) : code;
		if (pairs->count > CONFIG_PAIRS_MAX)
			return read_refuse(r, o->key, "too many", "at most 100");
	}
	sort_pairs(pairs);
	return 0;
}

/* ---- what an entry has to be ---- */

static bool has_only(const char *text, const char *without)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text <= ' ' || *text == 0x7f || strchr(without, *text) != NULL)
			return false;
	}
	return true;
}

bool config_is_address(const char *text)
{
	return *text != '\0' && strlen(text) <= CONFIG_ADDRESS_MAX && has_only(text, "/?#@\\%\"<>^`{|}");
}

bool config_is_path(const char *text)
{
	return *text == '/' && strlen(text) <= CONFIG_PATH_MAX && has_only(text, "?#\\\"<>^`{|}");
}

bool config_is_label_name(const char *text)
{
	for (const char *at = text; *at != '\0'; at++) {
		bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_';
		if (!letter && (at == text || *at < '0' || *at > '9'))
			return false;
	}
	return *text != '\0' && strlen(text) <= 128;
}

/* Those that the scraper sends itself, or that are options. */
static bool is_reserved_header(const char *name)
{
	static const char *const names[] = {"accept",     "accept-encoding",   "authorization",
	                                    "connection", "content-length",    "host",
	                                    "user-agent", "transfer-encoding", "x-prometheus-scrape-timeout-seconds"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcasecmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/* A token as RFC 9110 has it, and a value without line ends. */
static bool is_header(const struct config_pair *p)
{
	for (const char *at = p->name; *at != '\0'; at++) {
		bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
		if (!letter && strchr("!#$%&'*+-.^_`|~", *at) == NULL)
			return false;
	}
	for (const char *at = p->value; *at != '\0'; at++) {
		if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f)
			return false;
	}
	return *p->value != '\0';
}

static int check_pairs(struct reading *r, const struct config_scrape *s)
{
	for (uint32_t i = 0; i < s->labels.count; i++) {
		const char *name = s->labels.items[i].name;
		if (!config_is_label_name(name) || strncmp(name, "__", 2) == 0)
			return read_refuse(r, "labels", "a name that is none of a label",
			                   "letters, digits and _, not __ in front");
	}
	for (uint32_t i = 0; i < s->headers.count; i++) {
		if (!is_header(&s->headers.items[i]))
			return read_refuse(r, "headers", "what is no header", "names and values as HTTP has them");
		if (is_reserved_header(s->headers.items[i].name))
			return read_refuse(
			    r, "headers", "one that is set otherwise",
			    "others than Accept, Authorization (bearer_token, basic_auth), Host and the like");
	}
	return 0;
}

static int check_targets(struct reading *r, const struct config_scrape *s)
{
	char found[160];
	if (s->targets.count + s->files.count == 0)
		return read_refuse(r, "targets", "none",
		                   "targets = { \"host:9100\" } or files = { \"targets/*.json\" }");
	for (uint32_t i = 0; i < s->targets.count; i++) {
		snprintf(found, sizeof found, "\"%.100s\"", s->targets.items[i]);
		if (!config_is_address(s->targets.items[i]))
			return read_refuse(r, "targets", found, "host:port, without scheme and path");
	}
	for (uint32_t i = 0; i < s->files.count; i++) {
		const char *slash = strrchr(s->files.items[i], '/'), *magic = strpbrk(s->files.items[i], "*?[");
		snprintf(found, sizeof found, "\"%.100s\"", s->files.items[i]);
		if (slash != NULL && magic != NULL && magic < slash)
			return read_refuse(r, "files", found, "* and ? in the last part of the path alone");
	}
	return 0;
}

static int check_credentials(struct reading *r, const struct config_scrape *s)
{
	bool basic =
	    s->basic_auth.username != NULL || s->basic_auth.password != NULL || s->basic_auth.password_file != NULL;
	if (s->bearer_token != NULL && s->bearer_token_file != NULL)
		return read_refuse(r, "bearer_token_file", "bearer_token beside it", "one of them");
	if (basic && (s->bearer_token != NULL || s->bearer_token_file != NULL))
		return read_refuse(r, "basic_auth", "a bearer token beside it", "one of them");
	if (basic && s->basic_auth.username == NULL)
		return read_refuse(r, "basic_auth", "no username", "username = \"…\" as well");
	if (s->basic_auth.password != NULL && s->basic_auth.password_file != NULL)
		return read_refuse(r, "basic_auth", "password and password_file", "one of them");
	if ((s->tls.cert != NULL) != (s->tls.key != NULL))
		return read_refuse(r, "tls", "one of cert and key", "both");
	return 0;
}

static int check_entry(struct reading *r, struct config_scrape *s)
{
	if (s->job == NULL)
		return read_refuse(r, "job", "none", "job = \"…\", the value of the label job");
	if (!config_is_path(s->path))
		return read_refuse(r, "path", "what is no path",
		                   "one that begins with / and has no query, which is in params");
	if (s->timeout_ns > s->interval_ns)
		return read_refuse(r, "timeout", "more than the interval", "at most that");
	if (s->timeout_ns == 0)
		s->timeout_ns = s->interval_ns < TIMEOUT_NS ? s->interval_ns : TIMEOUT_NS;
	int code = check_targets(r, s);
	if (code == 0)
		code = check_pairs(r, s);
	return code == 0 ? check_credentials(r, s) : code;
}

/* The entry on the stack's top. */
static int read_entry(struct reading *r, lua_State *L, struct config_scrape *s)
{
	if (option_set_defaults(s, options_of_scrape, r->err) != 0)
		return r->err->code;
	if (!lua_istable(L, -1))
		return read_at_key(
		    r, "", error_set(r->err, -EINVAL, "found no table, wanted { job = \"…\", targets = { … } }"));
	int code = read_table(r, L, "");
	if (code == 0)
		code = check_entry(r, s);
	for (const struct config_scrape *other = r->config->scrapes; code == 0 && other < s; other++) {
		if (strcmp(other->job, s->job) == 0)
			code = read_refuse(r, "job", "the same as of another entry", "each job once");
	}
	return code;
}

static int read_entries(struct reading *r, lua_State *L, int count)
{
	struct config *c = r->config;

	for (int i = 1; i <= count; i++) {
		lua_rawgeti(L, -1, i);
		r->entry = i;
		r->of = &c->scrapes[i - 1];
		int code = read_entry(r, L, r->of);
		lua_pop(L, 1);
		if (code != 0)
			return code;
	}
	return 0;
}

int read_scrapes(struct reading *r, lua_State *L)
{
	struct config *c = r->config;
	int count = read_list_length(L, CONFIG_SCRAPES_MAX);

	if (count < 0)
		return read_refuse(r, "scrape", "no list, or a too long one", "a list of at most 1000 tables");
	c->scrapes = mem_zalloc((size_t)count + 1, sizeof *c->scrapes);
	if (c->scrapes == NULL)
		return no_memory(r);
	c->scrape_count = (uint32_t)count; /* zeroed, they can be freed */
	r->list = "scrape";
	r->table = options_of_scrape;
	int code = read_entries(r, L, count);
	r->list = NULL;
	r->table = options_of_file();
	r->of = c;
	return code;
}
