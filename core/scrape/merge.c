/* See merge.h. Nearly always no name is in both: then the labels of both, as they are encoded, are put in order, and none is taken apart. */
#include "scrape/merge.h"

#include <errno.h>

#include "base/arena.h"
#include "base/mem.h"

int merge_init(struct merge *m, struct slice set, bool honor_labels)
{
	struct slice rest = set;
	struct label l;

	*m = (struct merge){.set = set, .honor_labels = honor_labels};
	while (labels_next(&rest, &l))
		m->count++;
	m->labels = mem_alloc((m->count + 1) * sizeof l);
	if (m->labels == NULL)
		return -ENOMEM;
	rest = set;
	for (uint32_t i = 0; i < m->count; i++)
		labels_next(&rest, &m->labels[i]);
	return 0;
}

void merge_deinit(struct merge *m)
{
	mem_free(m->labels);
	m->labels = NULL;
}

/* ---- where names clash ---- */

enum { EXPORTED_LEN = sizeof "exported_" - 1 };

struct clash {
	struct label items[3 * LABELS_MAX];
	uint32_t count;
	struct label renamed[LABELS_MAX]; /* what was scraped under a name of the target */
	uint32_t renamed_count;
	struct arena names;
};

static bool has(const struct clash *c, struct slice name)
{
	for (uint32_t i = 0; i < c->count; i++) {
		if (slice_eq(c->items[i].name, name))
			return true;
	}
	return false;
}

static void put_apart(struct clash *c, const struct merge *m, struct slice scraped)
{
	for (uint32_t i = 0; i < m->count; i++)
		c->items[c->count++] = m->labels[i];
	for (struct label l; labels_next(&scraped, &l);) {
		if (l.value.len == 0)
			continue;
		if (has(c, l.name))
			c->renamed[c->renamed_count++] = l;
		else
			c->items[c->count++] = l;
	}
}

/* Shorter names first; those of one length stay in order. */
static void sort_by_length(struct clash *c)
{
	for (uint32_t i = 1; i < c->renamed_count; i++) {
		struct label l = c->renamed[i];
		uint32_t at = i;
		for (; at > 0 && c->renamed[at - 1].name.len > l.name.len; at--)
			c->renamed[at] = c->renamed[at - 1];
		c->renamed[at] = l;
	}
}

/* The name that was scraped with as many exported_ before it as are needed; its ptr is NULL when memory is out. One that is too long is refused with the whole set. */
static struct slice exported(struct clash *c, struct slice name)
{
	do {
		char *longer = arena_alloc(&c->names, EXPORTED_LEN + name.len);
		if (longer == NULL)
			return slice_new(NULL, 0);
		memcpy(longer, "exported_", EXPORTED_LEN);
		memcpy(longer + EXPORTED_LEN, name.ptr, name.len);
		name = slice_new(longer, EXPORTED_LEN + name.len);
	} while (name.len <= LABEL_NAME_BYTES_MAX && has(c, name));
	return name;
}

static int rename_scraped(struct clash *c)
{
	for (uint32_t i = 0; i < c->renamed_count; i++) {
		struct slice name = exported(c, c->renamed[i].name);
		if (name.ptr == NULL)
			return -ENOMEM;
		c->items[c->count++] = (struct label){name, c->renamed[i].value};
	}
	return 0;
}

static int merge_clashing(const struct merge *m, struct slice scraped, struct buf *out, struct error *err)
{
	struct clash c;

	c.count = c.renamed_count = 0;
	arena_init(&c.names);
	put_apart(&c, m, scraped);
	sort_by_length(&c);
	int code = rename_scraped(&c);
	code = code == 0 ? labels_canonical(c.items, c.count, out, err) : error_set(err, code, "no memory for labels");
	arena_deinit(&c.names);
	return code;
}

/* ---- where none does ---- */

/* Copies both, label by label in order; of a name that is in both what was scraped, unless labels are not honored. False: then there was such a name, or a bound was met; what was appended is of no use. */
static bool interleave(const struct merge *m, struct slice scraped, struct buf *out)
{
	struct slice rest = scraped, own = m->set;
	struct label theirs, unused;
	uint32_t i = 0, count = 0;
	bool more = labels_next(&rest, &theirs);

	while (more || i < m->count) {
		int order = !more ? 1 : i == m->count ? -1 : slice_compare(theirs.name, m->labels[i].name);
		bool empty = order <= 0 && theirs.value.len == 0;
		if (order == 0 && !m->honor_labels && !empty)
			return false;
		if (order >= 0) {
			const char *begin = own.ptr;
			labels_next(&own, &unused);
			if (order > 0 || !m->honor_labels) {
				buf_append(out, begin, (size_t)(own.ptr - begin));
				count++;
			}
			i++;
		}
		if (order <= 0) {
			if (!empty) {
				buf_append(out, scraped.ptr, (size_t)(rest.ptr - scraped.ptr));
				count++;
			}
			scraped = rest;
			more = labels_next(&rest, &theirs);
		}
	}
	return count <= LABELS_MAX;
}

int merge_labels(const struct merge *m, struct slice scraped, struct buf *out, struct error *err)
{
	size_t from = out->len;

	if (buf_room(out, scraped.len + m->set.len) == NULL)
		return error_set(err, -ENOMEM, "no memory for labels");
	bool fine = interleave(m, scraped, out);
	if (fine && out->len - from <= LABELS_BYTES_MAX)
		return 0;
	out->len = from;
	if (fine || m->honor_labels)
		return error_set(err, -EINVAL, "with those of its target it has more labels than a series may have");
	return merge_clashing(m, scraped, out, err);
}
