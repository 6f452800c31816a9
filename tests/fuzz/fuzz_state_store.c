/* The saved states of scripts: any bytes are refused, with the store as it was, or give one that can be read, changed, expired, and whose saved bytes load again and save the same. */
#include <errno.h>
#include <stdint.h>

#include "base/check.h"
#include "script/state_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buf save(const struct state_store *s)
{
	struct buf out = {0};
	CHECK(state_store_save(s, &out) == 0);
	return out;
}

/* Goes through one state in order, then lets half of it go. */
static void use(struct state_store *s, struct slice name)
{
	struct state *t;
	struct state_value v;
	struct slice key;
	uint32_t at = 0, seen = 0;

	int rc = state_open(s, name, &t);
	CHECK(rc == 0 || rc == -ENOSPC);
	if (rc != 0)
		return;
	while (state_next(t, &at, &key)) {
		CHECK(state_get(t, key, &v) && v.type >= STATE_NUMBER && v.type <= STATE_TRUE);
		seen++;
	}
	CHECK(seen == state_count(t));
	state_expire(t, INT64_MAX / 2);
	CHECK(state_count(t) <= seen);
	rc = state_set(t, SLICE("key"), &(struct state_value){.type = STATE_TRUE}, 5);
	CHECK(rc == 0 || rc == 1 || rc == -ENOSPC);
	CHECK(state_remove(t, SLICE("key")) || rc == -ENOSPC);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state_store *s = state_store_new(1 << 20), *again = state_store_new(1 << 20);
	struct error err = {0};
	struct state *t;

	CHECK(s != NULL && again != NULL && state_open(s, SLICE("before"), &t) == 0);
	CHECK(state_set(t, SLICE("key"), &(struct state_value){.type = STATE_NUMBER, .number = 1}, INT64_MAX) == 1);
	struct buf before = save(s);
	int rc = state_store_load(s, slice_new((const char *)data, size), &err);
	CHECK(rc == 0 || (rc == -EBADMSG && err.code == rc && err.text[0] != '\0'));
	struct buf first = save(s);
	CHECK(rc == 0 || slice_eq(buf_slice(&first), buf_slice(&before)));
	CHECK(state_store_load(again, buf_slice(&first), &err) == 0);
	struct buf second = save(again);
	CHECK(slice_eq(buf_slice(&first), buf_slice(&second)));
	CHECK(state_store_used(s) == state_store_used(again));
	use(s, SLICE("before"));
	if (size >= 12)
		use(again, slice_new((const char *)data + 8, data[4] < size - 8 ? data[4] : size - 8));
	buf_free(&before);
	buf_free(&first);
	buf_free(&second);
	state_store_free(s);
	state_store_free(again);
	return 0;
}
