/* Commands, their options and their help. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/distance.h"
#include "base/error.h"
#include "base/fault.h"
#include "cli/internal.h"

const struct command *const commands[] = {&command_run,     &command_check, &command_demo, &command_query,
                                          &command_version, &command_help,  NULL};

static const struct command *find_command(const char *name)
{
	for (int i = 0; commands[i] != NULL; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	return NULL;
}

const char *command_suggest(const char *name)
{
	const char *best = NULL;
	unsigned nearest = distance_near(name) + 1;
	for (int i = 0; commands[i] != NULL; i++) {
		unsigned d = distance(name, commands[i]->name);
		if (d < nearest) {
			nearest = d;
			best = commands[i]->name;
		}
	}
	return best;
}

static const struct flag *find_flag(const struct command *c, const char *arg, size_t len)
{
	for (const struct flag *f = c->flags; f != NULL && f->name != NULL; f++) {
		if (strlen(f->name) == len && strncmp(f->name, arg, len) == 0)
			return f;
	}
	return NULL;
}

static int unknown_flag(const struct command *c, const char *arg, size_t len)
{
	const char *best = NULL;
	char given[64];
	snprintf(given, sizeof given, "%.*s", (int)len, arg);
	unsigned nearest = distance_near(given) + 1;
	for (const struct flag *f = c->flags; f != NULL && f->name != NULL; f++) {
		unsigned d = distance(given, f->name);
		if (d < nearest) {
			nearest = d;
			best = f->name;
		}
	}
	fprintf(stderr, "moongate %s: there is no option '%s'%s%s%s\nTry 'moongate help %s'.\n", c->name, given,
	        best != NULL ? "; did you mean '" : "", best != NULL ? best : "", best != NULL ? "'?" : "", c->name);
	return EXIT_USAGE;
}

int flags_read(const struct command *c, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		const char *arg = argv[i];
		if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
			help_print(c);
			return -1;
		}
		bool is_option = strncmp(arg, "--", 2) == 0;
		if (!is_option && c->operand != NULL && *c->operand == NULL) {
			*c->operand = arg;
			continue;
		}
		if (!is_option) {
			fprintf(stderr, "moongate %s: what is '%s'?\nTry 'moongate help %s'.\n", c->name, arg, c->name);
			return EXIT_USAGE;
		}
		const char *equals = strchr(arg, '=');
		size_t len = equals != NULL ? (size_t)(equals - arg) : strlen(arg);
		const struct flag *f = find_flag(c, arg, len);
		if (f == NULL)
			return unknown_flag(c, arg, len);
		if (f->value == NULL && equals == NULL) {
			*f->to = "true";
			continue;
		}
		if (f->value == NULL || (equals == NULL && i + 1 == argc)) {
			fprintf(stderr, "moongate %s: %s %s\n", c->name, f->name,
			        f->value == NULL ? "takes no value" : "wants a value");
			return EXIT_USAGE;
		}
		*f->to = equals != NULL ? equals + 1 : argv[++i];
	}
	return 0;
}

/* ---- help ---- */

void help_overview(void)
{
	printf("moongate - a Lua-scriptable observability gateway for AI agents\n\n"
	       "Usage: moongate <command> [options]\n\n");
	for (int i = 0; commands[i] != NULL; i++)
		printf("  %-9s %s\n", commands[i]->name, commands[i]->summary);
	printf("\nTo begin:  moongate run --conf conf/moongate.lua\n"
	       "Then:      moongate demo --seconds 10\n"
	       "           curl localhost:4318/metrics\n\n"
	       "'moongate help <command>' says more.\n");
}

void help_print(const struct command *c)
{
	printf("%s\n\nUsage: moongate %s %s\n", c->summary, c->name, c->usage);
	if (c->flags != NULL && c->flags[0].name != NULL)
		printf("\nOptions:\n");
	for (const struct flag *f = c->flags; f != NULL && f->name != NULL; f++) {
		char left[40];
		snprintf(left, sizeof left, "%s%s%s", f->name, f->value != NULL ? " " : "",
		         f->value != NULL ? f->value : "");
		printf("  %-20s %s\n", left, f->help);
	}
	if (c->details != NULL)
		printf("\n%s", c->details);
}

static int run_help(int argc, char **argv)
{
	if (argc == 0) {
		help_overview();
		return EXIT_FINE;
	}
	const struct command *c = find_command(argv[0]);
	if (c != NULL) {
		help_print(c);
		return EXIT_FINE;
	}
	const char *near = command_suggest(argv[0]);
	fprintf(stderr, "moongate help: there is no command '%s'%s%s%s\n", argv[0],
	        near != NULL ? "; did you mean '" : "", near != NULL ? near : "", near != NULL ? "'?" : "");
	return EXIT_USAGE;
}

const struct command command_help = {
    .name = "help",
    .summary = "Say what a command does and takes",
    .usage = "[command]",
    .run = run_help,
};

int cli_main(int argc, char **argv)
{
	struct error err = {0};
	if (fault_init(&err) != 0) {
		fprintf(stderr, "moongate: %s\n", err.text);
		return EXIT_USAGE;
	}
	if (argc < 2) {
		help_overview();
		return EXIT_USAGE;
	}
	const char *name = argv[1];
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	if (strcmp(name, "--version") == 0 || strcmp(name, "-v") == 0)
		name = "version";
	const struct command *c = find_command(name);
	if (c != NULL)
		return c->run(argc - 2, argv + 2);
	const char *near = command_suggest(name);
	fprintf(stderr, "moongate: there is no command '%s'%s%s%s\nTry 'moongate help'.\n", name,
	        near != NULL ? "; did you mean '" : "", near != NULL ? near : "", near != NULL ? "'?" : "");
	return EXIT_USAGE;
}
