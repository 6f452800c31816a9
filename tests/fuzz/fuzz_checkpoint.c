/* The checkpoint of the metrics: any bytes are refused with a sentence or give a sound registry: one that can be
 * shown, changed, saved, and whose saved bytes load again and save the same. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "metrics/metrics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buf save(struct registry *r)
{
	struct metrics_snapshot *s = registry_snapshot(r);
	struct buf out = {0};

	CHECK(s != NULL);
	CHECK(metrics_snapshot_save(s, &out) == 0);
	metrics_snapshot_unref(s);
	return out;
}

static void show(struct registry *r)
{
	struct metrics_snapshot *s = registry_snapshot(r);
	struct buf out = {0};

	CHECK(s != NULL);
	CHECK(exposition_render(s, EXPOSITION_TEXT, 0, &out) == 0);
	CHECK(exposition_render(s, EXPOSITION_OPENMETRICS, INT64_MAX, &out) == 0);
	metrics_snapshot_unref(s);
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct registry *r = registry_new(NULL);
	struct registry *again = registry_new(NULL);
	struct error err = {0};

	CHECK(r != NULL && again != NULL);
	int rc = registry_load(r, slice_new((const char *)data, size), &err);
	CHECK(rc == 0 || (rc == -EBADMSG && err.code == rc && err.text[0] != '\0'));
	struct buf first = save(r);
	CHECK(registry_load(again, buf_slice(&first), &err) == 0);
	struct buf second = save(again);
	CHECK(slice_eq(buf_slice(&first), buf_slice(&second)));
	show(r);
	registry_expire(r);
	registry_reload_begin(r);
	registry_reload_end(r);
	buf_free(&first);
	buf_free(&second);
	registry_free(r);
	registry_free(again);
	return 0;
}
