/* Configuration as every command wants it: defaults, file, flags, then the checks of the whole. */
#include <stdio.h>
#include <unistd.h>

#include "cli/internal.h"

#define DEFAULT_CONF "conf/moongate.lua"

int load_config(struct config *c, const char *path, const char *const (*flags)[2], unsigned count)
{
	struct error err = {0};
	if (config_init(c) != 0) {
		fprintf(stderr, "moongate: out of memory\n");
		return EXIT_FAILED;
	}
	if (path == NULL && access(DEFAULT_CONF, R_OK) == 0)
		path = DEFAULT_CONF;
	int code = path != NULL ? config_read(c, path, &err) : 0;
	for (unsigned i = 0; code == 0 && i < count; i++) {
		if (flags[i][1] != NULL)
			code = config_set(c, flags[i][0], flags[i][1], &err);
	}
	if (code == 0)
		code = config_check(c, &err);
	if (code == 0)
		return 0;
	fprintf(stderr, "%s\n", err.text);
	config_deinit(c);
	return EXIT_FAILED;
}
