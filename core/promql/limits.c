/* What an evaluation may take, and how it fails. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "promql/eval.h"

/* Work between two questions whether it is to go on, in samples: some tens of microseconds. What a row costs beside its samples is reckoned as so many. */
enum { WORK_MAX = 16384, ROW_WORK = 32 };

int eval_fail(struct eval *ev, int code, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;

	if (ev->err->code != 0)
		return ev->err->code;
	va_start(args, format);
	if (vsnprintf(text, sizeof text, format, args) < 0)
		text[0] = '\0';
	va_end(args);
	return error_set(ev->err, code, "%s", text);
}

int eval_no_memory(struct eval *ev)
{
	return eval_fail(ev, -ENOMEM, "out of memory in query execution");
}

int eval_spend(struct eval *ev, uint64_t samples)
{
	if (ev->err->code != 0) /* of what could not say so */
		return ev->err->code;
	ev->samples += samples;
	if (ev->samples > ev->samples_max)
		return eval_fail(ev, -E2BIG,
		                 "query processing would load too many samples into memory in query execution");
	return eval_work(ev, samples + ROW_WORK);
}

int eval_work(struct eval *ev, uint64_t work)
{
	ev->work += work;
	if (ev->work < WORK_MAX)
		return 0;
	ev->work = 0;
	if (ev->query->goes_on != NULL && !ev->query->goes_on(ev->query->ctx))
		return eval_fail(ev, -ECANCELED, "query was canceled in expression evaluation");
	return 0;
}

/* Are `more` bytes within the bound? */
static bool may_hold(struct eval *ev, uint64_t more)
{
	uint64_t held = ev->bytes + ev->arena.total;
	if (more <= ev->bytes_max && held <= ev->bytes_max - more) {
		if (held + more > ev->bytes_peak)
			ev->bytes_peak = held + more;
		return true;
	}
	eval_fail(ev, -E2BIG, "query processing would need more than %llu KiB of memory in query execution",
	          (unsigned long long)(ev->bytes_max >> 10));
	return false;
}

int eval_hold(struct eval *ev, uint64_t bytes)
{
	if (!may_hold(ev, bytes))
		return ev->err->code;
	ev->bytes += bytes;
	return 0;
}

void *eval_realloc(struct eval *ev, void *ptr, size_t old_size, size_t size)
{
	if (size > old_size && !may_hold(ev, size - old_size))
		return NULL;
	void *p = mem_realloc(ptr, size);
	if (p == NULL) {
		eval_no_memory(ev);
		return NULL;
	}
	ev->bytes = ev->bytes - old_size + size;
	return p;
}

void eval_release(struct eval *ev, void *ptr, size_t size)
{
	if (ptr == NULL)
		return;
	mem_free(ptr);
	ev->bytes -= size;
}

void *eval_alloc(struct eval *ev, size_t size)
{
	if (!may_hold(ev, size))
		return NULL;
	void *p = arena_alloc(&ev->arena, size);
	if (p == NULL)
		eval_no_memory(ev);
	return p;
}

double *eval_values(struct eval *ev, const struct steps *steps)
{
	return (double *)eval_alloc(ev, (size_t)steps->count * sizeof(double));
}
