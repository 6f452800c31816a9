/* Any bytes as conf/moongate.lua, or as the text of one option (its number is the second byte): taken, within the option's range, or refused with a sentence; never half taken. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "config/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The file that is read: in memory, and read by its name in /proc. */
static const char *conf_file(const char *bytes, size_t len)
{
	static char path[64];
	static int fd = -1;
	if (fd < 0) {
		fd = memfd_create("moongate.lua", MFD_CLOEXEC);
		CHECK(fd >= 0);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	}
	CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, len, 0) == (ssize_t)len);
	return path;
}

/* Every number lies within its row of the table, every text is there. */
static void check_ranges(const struct config *c)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option *o = &options[i];
		const char *at = (const char *)c + o->offset;
		if (o->type == OPTION_SIZE)
			CHECK(*(const uint64_t *)at >= o->min && *(const uint64_t *)at <= o->max);
		else if (o->type == OPTION_SIZE32 || o->type == OPTION_COUNT)
			CHECK(*(const uint32_t *)at >= o->min && *(const uint32_t *)at <= o->max);
		else if (o->type == OPTION_DURATION)
			CHECK((double)*(const int64_t *)at >= o->min * 1e9 - 1 &&
			      (double)*(const int64_t *)at <= o->max * 1e9);
		else if (o->type == OPTION_STRING)
			CHECK(*(char *const *)at != NULL && **(char *const *)at != '\0');
	}
	for (uint32_t i = 0; i < c->scrape_count; i++) {
		const struct config_scrape *s = &c->scrapes[i];
		CHECK(s->job != NULL && *s->path == '/' && s->targets.count + s->files.count > 0);
		CHECK(s->timeout_ns > 0 && s->timeout_ns <= s->interval_ns);
	}
	for (uint32_t i = 0; i < c->token_count; i++)
		CHECK(c->tokens[i].scopes != 0 && (c->tokens[i].scopes & ~7u) == 0);
}

static void read_file(const char *bytes, size_t len)
{
	struct error err = {0};
	struct config c;

	CHECK(config_init(&c) == 0);
	int code = config_read(&c, conf_file(bytes, len), &err);
	CHECK(code == 0 || (code == err.code && err.text[0] != '\0'));
	CHECK(code == 0 || (c.token_count == 0 && c.scrape_count == 0 && strcmp(c.listen, "127.0.0.1:4318") == 0));
	check_ranges(&c);
	code = config_check(&c, &err);
	CHECK(code == 0 || (code == err.code && err.text[0] != '\0'));
	config_deinit(&c);
}

static void set_option(unsigned number, const char *bytes, size_t len)
{
	const struct option *o = &options[number % option_count];
	struct error err = {0};
	struct config c;
	char *text = malloc(len + 1);

	CHECK(text != NULL && config_init(&c) == 0);
	memcpy(text, bytes, len);
	text[len] = '\0';
	int code = config_set(&c, o->key, text, &err);
	CHECK(code == 0 || (code == -EINVAL && strstr(err.text, o->key) != NULL));
	check_ranges(&c);
	config_deinit(&c);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (data[0] == 'o')
		set_option(data[1], (const char *)data + 2, size - 2);
	else
		read_file((const char *)data, size);
	return 0;
}
