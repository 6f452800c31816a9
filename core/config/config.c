/* Defaults, flags, and what can only be checked when everything is known. */
#include "config/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "config/options.h"

int config_init(struct config *c)
{
	struct error err = {0};
	*c = (struct config){0};
	for (size_t i = 0; i < option_count; i++) {
		if (options[i].by_default != NULL &&
		    option_set_text(c, &options[i], options[i].by_default, &err) != 0) {
			config_deinit(c);
			return err.code;
		}
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
	for (size_t i = 0; i < option_count; i++) {
		if (options[i].type == OPTION_STRING || options[i].type == OPTION_PATH)
			mem_free(*(char **)((char *)c + options[i].offset));
	}
	mem_free(c->conf_dir);
	mem_free(c->tokens);
	*c = (struct config){0};
}

int config_set(struct config *c, const char *key, const char *value, struct error *err)
{
	const struct option *o = option_find(key);
	if (o == NULL)
		return error_set(err, -EINVAL, "%s: there is no such option", key);
	return option_set_text(c, o, value, err);
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

static int check_listen(const char *listen, struct error *err)
{
	const char *colon = strrchr(listen, ':');
	char *end;
	long port = colon != NULL ? strtol(colon + 1, &end, 10) : -1;
	if (colon == NULL || colon == listen || colon[1] < '0' || colon[1] > '9' || *end != '\0' || port > 65535)
		return error_set(
		    err, -EINVAL,
		    "listen: found \"%s\", wanted an address and a port such as \"127.0.0.1:4318\" or \"[::1]:0\"",
		    listen);
	return 0;
}

int config_check(const struct config *c, struct error *err)
{
	int code = check_listen(c->listen, err);
	if (code != 0)
		return code;
	if (!is_loopback(c->listen) && c->token_count == 0 && !c->allow_anonymous)
		return error_set(err, -EINVAL,
		                 "listen: \"%s\" can be reached from other machines, which wants tokens (or "
		                 "allow_anonymous = true, if "
		                 "everyone there may do everything)",
		                 c->listen);
	if (strlen(c->data) > CONFIG_DATA_MAX)
		return error_set(err, -ENAMETOOLONG, "data: the path has %zu bytes, wanted at most %d", strlen(c->data),
		                 CONFIG_DATA_MAX);
	if (c->http.bodies_bytes < c->http.body_bytes)
		return error_set(err, -EINVAL, "http.bodies_bytes: found %llu, wanted at least http.body_bytes (%llu)",
		                 (unsigned long long)c->http.bodies_bytes, (unsigned long long)c->http.body_bytes);
	if (c->http.burst > 0 && c->http.rate == 0)
		return error_set(err, -EINVAL, "http.burst: found %u without a rate, wanted http.rate as well",
		                 c->http.burst);
	if (c->journal.retention_bytes < 2 * c->journal.segment_bytes)
		return error_set(
		    err, -EINVAL, "journal.retention_bytes: found %llu, wanted at least two segments (%llu)",
		    (unsigned long long)c->journal.retention_bytes, 2 * (unsigned long long)c->journal.segment_bytes);
	code = clock_set_timezone(c->timezone, err);
	if (code != 0)
		error_prefix(err, "timezone");
	return code;
}
