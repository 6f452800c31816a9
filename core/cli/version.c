/* moongate version */
#include <luajit.h>
#include <stdio.h>
#include <uv.h>
#include <zlib.h>
#include <zstd.h>

#include "cli/internal.h"

static const char *libraries;

static const struct flag flags[] = {
    {"--libraries", NULL, "also the versions of the libraries it runs with", &libraries},
    {NULL, NULL, NULL, NULL},
};

static int run_version(int argc, char **argv)
{
	int code = flags_read(&command_version, argc, argv);
	if (code != 0)
		return code < 0 ? EXIT_FINE : code;
	printf("moongate %s\n", MOONGATE_VERSION);
	if (libraries != NULL)
		printf("%s\nlibuv %s\nzlib %s\nzstd %s\n", LUAJIT_VERSION, uv_version_string(), zlibVersion(),
		       ZSTD_versionString());
	return EXIT_FINE;
}

const struct command command_version = {
    .name = "version",
    .summary = "Print the version",
    .usage = "[--libraries]",
    .run = run_version,
    .flags = flags,
};
