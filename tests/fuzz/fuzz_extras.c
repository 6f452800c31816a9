/* Saved exemplars and metadata: any bytes are refused with a sentence, and nothing is there, or give what can be read and added to, and whose saved bytes load again and save the same. */
#include <errno.h>
#include <stdint.h>

#include "base/check.h"
#include "record/labels.h"
#include "tsdb/extras.h"

enum { EXEMPLARS = 100 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buf save(struct extras *x)
{
	struct extras_cut cut;
	struct buf out = {0};

	CHECK(extras_cut(x, &cut) == 0);
	CHECK(extras_save(&cut, &out) == 0);
	extras_cut_deinit(&cut);
	return out;
}

/* All that is there can be selected, and an exemplar added to the first series of it. */
static void use(struct extras *x)
{
	struct exemplars_copy copy;
	struct arena arena;
	const struct exemplar_series *series;
	uint32_t count, found = 0;

	arena_init(&arena);
	CHECK(exemplars_copy(&x->exemplars, &copy) == 0);
	CHECK(exemplars_copy_select(&copy, NULL, 0, INT64_MIN, INT64_MAX, &arena, &series, &count) == 0);
	for (uint32_t i = 0; i < count; i++) {
		CHECK(i == 0 || labels_compare(series[i - 1].labels, series[i].labels) < 0);
		found += series[i].count;
	}
	CHECK(found == copy.count && count == x->exemplars.rows);
	exemplars_copy_deinit(&copy);
	if (count > 0) {
		struct sample_exemplar e = {SLICE(""), 1, INT64_MAX};
		int outcome = exemplars_add(&x->exemplars, series[0].labels, labels_hash(series[0].labels), &e);
		CHECK(outcome >= EXEMPLAR_STORED && outcome < EXEMPLAR_OUTCOMES);
	}
	arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct extras x, y;
	struct error err = {0};

	extras_init(&x, EXEMPLARS);
	int code = extras_load(&x, slice_new((const char *)data, size), &err);
	CHECK(code == 0 || (code == -EBADMSG && err.text[0] != '\0'));
	if (code != 0) {
		CHECK(x.exemplars.count == 0 && x.metadata.count == 0);
		extras_deinit(&x);
		return 0;
	}
	struct buf first = save(&x);
	extras_init(&y, EXEMPLARS);
	CHECK(extras_load(&y, buf_slice(&first), &err) == 0);
	struct buf second = save(&y);
	CHECK(slice_eq(buf_slice(&first), buf_slice(&second)));
	use(&x);
	buf_free(&first);
	buf_free(&second);
	extras_deinit(&y);
	extras_deinit(&x);
	return 0;
}
