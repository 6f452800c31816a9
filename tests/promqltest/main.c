/* promqltest [-v] FILE…: runs Prometheus's test scripts against core/promql. Each failing eval is printed with what was wanted and got; the last line is "N passed, N failed, N skipped". Skipped is what selects or expects a
 * native histogram, which the engine does not have; -v lists every eval.
 *
 * Exit code: 0, 1 where an eval failed, 2 where a script cannot be read. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "run.h"

static int run_file(const char *path, bool verbose, struct run_counts *counts, struct error *err)
{
	struct buf text = {0}, out = {0};
	struct script script;
	int rc = file_read_all(path, SCRIPT_BYTES_MAX, &text, err);

	if (rc == 0) {
		rc = script_parse(path, buf_slice(&text), &script, err);
		if (rc == 0)
			rc = run_script(&script, verbose, counts, &out, err);
		script_deinit(&script);
	}
	fwrite(out.len > 0 ? out.ptr : "", 1, out.len, stdout);
	buf_free(&text);
	buf_free(&out);
	return rc;
}

int main(int argc, char **argv)
{
	struct run_counts counts = {0};
	bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
	int first = verbose ? 2 : 1, code = 0;

	if (argc <= first) {
		fprintf(stderr, "usage: promqltest [-v] FILE…\n");
		return 2;
	}
	for (int i = first; i < argc; i++) {
		struct error err = {0};
		if (run_file(argv[i], verbose, &counts, &err) == 0)
			continue;
		fflush(stdout);
		fprintf(stderr, "%s\n", err.text);
		code = 2;
	}
	if (counts.start_times > 0)
		printf("%u series have start times, which the engine does not take\n", counts.start_times);
	printf("%u passed, %u failed, %u skipped\n", counts.passed, counts.failed, counts.skipped);
	return code == 0 && counts.failed > 0 ? 1 : code;
}
