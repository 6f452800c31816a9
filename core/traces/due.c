/* Which open trace is due when: a heap whose items may be due later than it says. That is put right when one comes to the front, since with each span a trace is due a little later. */
#include "traces/internal.h"

static int64_t later(int64_t time_ns, int64_t by_ns)
{
	int64_t sum;

	return __builtin_add_overflow(time_ns, by_ns, &sum) ? INT64_MAX : sum;
}

int64_t traces_due_ns(const struct traces *t, const struct builder *b)
{
	bool may_have_ended = b->has_root || (b->has_event && b->rootless_at != b->parts.of[PART_SPANS].count);
	int64_t due = later(b->first_ns, t->options.max_age_ns);
	int64_t quiet = later(b->last_ns, t->options.settle_ns);

	if (may_have_ended && quiet < due)
		due = quiet;
	return due > b->retry_ns ? due : b->retry_ns;
}

bool traces_due_by_age(const struct traces *t, const struct builder *b, int64_t now_ns)
{
	return now_ns >= later(b->first_ns, t->options.max_age_ns);
}

static bool before(const struct builder *a, const struct builder *b)
{
	return a->heap_due_ns != b->heap_due_ns ? a->heap_due_ns < b->heap_due_ns : a->number < b->number;
}

static void put(struct traces *t, struct builder *b, uint32_t at)
{
	t->heap[at] = b;
	b->heap_at = at;
}

static void sift_up(struct traces *t, struct builder *b, uint32_t at)
{
	while (at > 0 && before(b, t->heap[(at - 1) / 2])) {
		put(t, t->heap[(at - 1) / 2], at);
		at = (at - 1) / 2;
	}
	put(t, b, at);
}

/* `count`: items of the heap. */
static void sift_down(struct traces *t, struct builder *b, uint32_t at, uint32_t count)
{
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= count)
			break;
		if (child + 1 < count && before(t->heap[child + 1], t->heap[child]))
			child++;
		if (!before(t->heap[child], b))
			break;
		put(t, t->heap[child], at);
		at = child;
	}
	put(t, b, at);
}

void traces_due_add(struct traces *t, struct builder *b)
{
	b->heap_due_ns = traces_due_ns(t, b);
	sift_up(t, b, t->open_count - 1);
}

void traces_due_remove(struct traces *t, struct builder *b)
{
	uint32_t count = t->open_count - 1;
	struct builder *last = t->heap[count];

	if (last == b)
		return;
	if (before(last, b))
		sift_up(t, last, b->heap_at);
	else
		sift_down(t, last, b->heap_at, count);
}

void traces_due_earlier(struct traces *t, struct builder *b)
{
	int64_t due = traces_due_ns(t, b);

	if (due >= b->heap_due_ns)
		return;
	b->heap_due_ns = due;
	sift_up(t, b, b->heap_at);
}

struct builder *traces_due_first(struct traces *t)
{
	while (t->open_count > 0) {
		struct builder *b = t->heap[0];
		int64_t due = traces_due_ns(t, b);
		if (due == b->heap_due_ns)
			return b;
		b->heap_due_ns = due;
		sift_down(t, b, 0, t->open_count);
	}
	return NULL;
}
