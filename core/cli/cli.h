/* The command line: `moongate <command> [options]`. */
#ifndef MOONGATE_CLI_CLI_H
#define MOONGATE_CLI_CLI_H

/* Runs the command of the arguments and returns the process's exit code: 0, 1 when it failed, 2 for wrong usage. */
int cli_main(int argc, char **argv);

#endif
