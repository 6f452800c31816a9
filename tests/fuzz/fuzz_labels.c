/* Any bytes as a label set. What is canonical stays the same through taking apart and putting together; its text, hash and order are made without harm. What is not is still read within its bounds. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/utf8.h"
#include "record/labels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(struct slice set, uint32_t count)
{
	struct label labels[LABELS_MAX];
	struct slice rest = set;
	struct buf again = {0};
	uint32_t n = 0;

	for (; n < LABELS_MAX && labels_next(&rest, &labels[n]); n++)
		CHECK(slice_eq(labels_get(set, labels[n].name), labels[n].value));
	CHECK(n == count && rest.len == 0);
	for (uint32_t i = 0; i < n / 2; i++) {
		struct label swapped = labels[i];
		labels[i] = labels[n - 1 - i];
		labels[n - 1 - i] = swapped;
	}
	CHECK(labels_canonical(labels, n, &again, NULL) == 0);
	CHECK(slice_eq(set, buf_slice(&again)) && labels_hash(set) == labels_hash(buf_slice(&again)));
	CHECK(labels_compare(set, buf_slice(&again)) == 0);
	buf_reset(&again);
	labels_text(set, &again);
	CHECK(again.len > 0 && utf8_valid(buf_slice(&again), NULL));
	buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice set = slice_new((const char *)data, size), rest = set;
	struct labels_found found;
	uint32_t count = 0;

	bool taken = labels_take(&rest, &found);
	CHECK(taken || rest.len == size);
	bool canonical = labels_check(set, &count, NULL) == 0;
	CHECK(canonical == (taken && rest.len == 0));
	if (taken) {
		CHECK(labels_check(found.labels, &count, NULL) == 0 && count == found.count);
		CHECK(slice_eq(labels_get(found.labels, LABEL_METRIC_NAME), found.metric_name));
		use(found.labels, found.count);
	}
	rest = set;
	for (struct label l; labels_next(&rest, &l);)
		CHECK(rest.len < size);
	return 0;
}
