/* Defaults, flags, and what can only be checked when everything is known. */
#include "config/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "config/options.h"

int config_init(struct config *c)
{
	struct error err = {0};
	*c = (struct config){.lines = mem_zalloc(option_count, sizeof *c->lines)};
	if (c->lines == NULL)
		return -ENOMEM;
	if (option_set_defaults(c, options_of_file(), &err) != 0) {
		config_deinit(c);
		return err.code;
	}
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	c->threads = cores > 2 ? (uint32_t)cores - 1 : 1;
	c->conf_dir = mem_strndup(".", 1);
	if (c->conf_dir != NULL)
		return 0;
	config_deinit(c);
	return -ENOMEM;
}

void config_deinit(struct config *c)
{
	option_free(c, options_of_file());
	for (uint32_t i = 0; i < c->scrape_count; i++)
		option_free(&c->scrapes[i], options_of_scrape);
	mem_free(c->scrapes);
	mem_free(c->conf_dir);
	mem_free(c->tokens);
	mem_free(c->file);
	mem_free(c->lines);
	*c = (struct config){0};
}

int config_set(struct config *c, const char *key, const char *value, struct error *err)
{
	const struct option *o = option_find(options_of_file(), key);
	if (o == NULL)
		return error_set(err, -EINVAL, "%s: there is no such option", key);
	int code = option_set_text(c, o, value, err);
	if (code == 0)
		c->lines[o - options] = 0;
	return code;
}

/* Puts file and line before a sentence about a key that stands in the file. */
static int at_key(const struct config *c, const char *key, struct error *err, int code)
{
	const struct option *o = option_find(options_of_file(), key);
	CHECK(o != NULL && code < 0);
	int32_t line = c->lines[o - options];
	if (line > 0)
		error_prefix(err, "%s:%d", c->file, line);
	else if (line < 0)
		error_prefix(err, "%s", c->file);
	return code;
}

/* Is the host part of "host:port" an address of this machine alone? A name is not, whatever it looks like: it may resolve to anything. */
static bool is_loopback(const char *listen)
{
	char host[64];
	struct in_addr address;
	const char *colon = strrchr(listen, ':');
	size_t len = colon != NULL ? (size_t)(colon - listen) : 0;
	if (len == 0 || len >= sizeof host)
		return false;
	memcpy(host, listen, len);
	host[len] = '\0';
	if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
		return true;
	return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

static int check_listen(const struct config *c, struct error *err)
{
	const char *colon = strrchr(c->listen, ':');
	char *end;
	long port = colon != NULL ? strtol(colon + 1, &end, 10) : -1;
	if (colon == NULL || colon == c->listen || colon[1] < '0' || colon[1] > '9' || *end != '\0' || port > 65535)
		return error_set(
		    err, -EINVAL,
		    "listen: found \"%s\", wanted an address and a port such as \"127.0.0.1:4318\" or \"[::1]:0\"",
		    c->listen);
	if (is_loopback(c->listen) || c->token_count > 0 || c->allow_anonymous)
		return 0;
	return error_set(err, -EINVAL,
	                 "listen: \"%s\" can be reached from other machines, which wants tokens (or "
	                 "allow_anonymous = true, if everyone there may do everything)",
	                 c->listen);
}

static int check_data(const struct config *c, struct error *err)
{
	size_t len = strlen(c->data);
	if (len <= CONFIG_DATA_MAX)
		return 0;
	return error_set(err, -ENAMETOOLONG, "data: the path has %zu bytes, wanted at most %d", len, CONFIG_DATA_MAX);
}

static int check_bodies(const struct config *c, struct error *err)
{
	if (c->http.bodies_bytes >= c->http.body_bytes)
		return 0;
	return error_set(err, -EINVAL, "http.bodies_bytes: found %llu, wanted at least http.body_bytes (%llu)",
	                 (unsigned long long)c->http.bodies_bytes, (unsigned long long)c->http.body_bytes);
}

/* A limit that would not be kept is worse than none. */
static int check_rate(const struct config *c, struct error *err)
{
	if (c->http.rate == 0 || c->token_count == 0)
		return 0;
	return error_set(err, -EINVAL, "http.rate: found %u beside tokens, wanted a rate in each token instead",
	                 c->http.rate);
}

static int check_burst(const struct config *c, struct error *err)
{
	if (c->http.burst == 0 || c->http.rate > 0)
		return 0;
	return error_set(err, -EINVAL, "http.burst: found %u without a rate, wanted http.rate as well", c->http.burst);
}

static int check_retention(const struct config *c, struct error *err)
{
	uint64_t least = 2 * c->journal.segment_bytes;
	if (c->journal.retention_bytes >= least)
		return 0;
	return error_set(err, -EINVAL, "journal.retention_bytes: found %llu, wanted at least two segments (%llu)",
	                 (unsigned long long)c->journal.retention_bytes, (unsigned long long)least);
}

static int check_timezone(const struct config *c, struct error *err)
{
	int code = clock_set_timezone(c->timezone, err);
	if (code != 0)
		error_prefix(err, "timezone");
	return code;
}

int config_check(const struct config *c, struct error *err)
{
	static const struct {
		const char *key; /* that the sentence is about */
		int (*check)(const struct config *c, struct error *err);
	} checks[] = {
	    {"listen", check_listen},     {"data", check_data},        {"http.bodies_bytes", check_bodies},
	    {"http.rate", check_rate},    {"http.burst", check_burst}, {"journal.retention_bytes", check_retention},
	    {"timezone", check_timezone},
	};
	for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
		int code = checks[i].check(c, err);
		if (code != 0)
			return at_key(c, checks[i].key, err, code);
	}
	return 0;
}
