/* Search, names and values over the buffer. */
#include <errno.h>
#include <string.h>

#include "traces/traceql_source.h"
#include "traces/traces.h"

static const struct trace *next(void *ctx, int *code)
{
	return traces_view_next(ctx, code);
}

int traceql_search(struct traces *traces, const struct traceql_ask *ask, struct traceql_results *out, struct error *err)
{
	struct trace_source source = {next, traces_view_open(traces)};

	memset(out, 0, sizeof *out);
	if (source.ctx == NULL)
		return error_set(err, -ENOMEM, "memory is out");
	int code = source_search(&source, ask, out, err);
	traces_view_close(source.ctx);
	return code;
}

int traces_tags(struct traces *traces, const struct traces_tags_ask *ask, struct traces_tags *out)
{
	struct trace_source source = {next, traces_view_open(traces)};

	memset(out, 0, sizeof *out);
	arena_init(&out->arena);
	if (source.ctx == NULL)
		return -ENOMEM;
	int code = source_tags(&source, ask, out);
	traces_view_close(source.ctx);
	return code;
}

int traces_tag_values(struct traces *traces, struct slice tag, const struct traces_tags_ask *ask,
                      struct traces_tag_values *out, struct error *err)
{
	struct trace_source source = {next, traces_view_open(traces)};

	memset(out, 0, sizeof *out);
	arena_init(&out->arena);
	if (source.ctx == NULL)
		return error_set(err, -ENOMEM, "memory is out");
	int code = source_tag_values(&source, tag, ask, out, err);
	traces_view_close(source.ctx);
	return code;
}
