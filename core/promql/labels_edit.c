/* Label sets made of others.
 *
 * An encoded set is labels in the order of their names, and so is a list of names: one pass over both tells which labels stay, and those that do are copied in stretches, as they are. Values are not looked at. */
#include <errno.h>

#include "promql/eval.h"
#include "record/labels.h"

/* The next label of a canonical set: its whole encoding from *at on, and its name. Moves *at behind it. */
static inline struct slice next_name(const char **at)
{
	const char *p = *at + 1;
	size_t pair = (unsigned char)*p++;
	if (pair >= 0x80)
		pair = (pair & 0x7f) | (size_t)(unsigned char)*p++ << 7;
	*at = p + pair;
	p++;
	size_t name = (unsigned char)*p++;
	if (name >= 0x80)
		name = (name & 0x7f) | (size_t)(unsigned char)*p++ << 7;
	return slice_new(p, name);
}

static int done(const struct buf *out)
{
	return buf_failed(out) ? -ENOMEM : 0;
}

int labels_without(struct slice labels, struct slice name, struct buf *out)
{
	return labels_except(labels, &name, 1, false, out);
}

int labels_only(struct slice labels, const struct slice *names, uint32_t count, struct buf *out)
{
	const char *at = labels.ptr, *end = labels.len == 0 ? at : at + labels.len;
	uint32_t k = 0;

	buf_reset(out);
	while (at < end && k < count) {
		const char *from = at;
		struct slice name = next_name(&at);
		int order = slice_compare(names[k], name);
		while (order < 0 && ++k < count)
			order = slice_compare(names[k], name);
		if (k < count && order == 0) {
			buf_append(out, from, (size_t)(at - from));
			k++;
		}
	}
	return done(out);
}

/* Is the name among those from *k on? Moves *k to the first that is not before it. */
static inline bool is_named(struct slice name, const struct slice *names, uint32_t count, uint32_t *k)
{
	int order = 1;
	while (*k < count && (order = slice_compare(names[*k], name)) < 0)
		++*k;
	return *k < count && order == 0;
}

int labels_except(struct slice labels, const struct slice *names, uint32_t count, bool name_too, struct buf *out)
{
	const char *at = labels.ptr, *end = labels.len == 0 ? at : at + labels.len;
	const char *kept = at; /* from here on all labels stay that were not copied yet */
	uint32_t k = 0;

	buf_reset(out);
	while (at < end && (k < count || name_too)) {
		const char *from = at;
		struct slice name = next_name(&at);
		bool metric = name_too && slice_eq(name, LABEL_METRIC_NAME);
		if (metric)
			name_too = false;
		if (!metric && !is_named(name, names, count, &k))
			continue;
		buf_append(out, kept, (size_t)(from - kept));
		kept = at;
	}
	buf_append(out, kept, (size_t)(end - kept));
	return done(out);
}

int labels_unnamed(struct slice labels, struct buf *out)
{
	const struct slice names[] = {LABEL_METRIC_NAME, SLICE("__type__"), SLICE("__unit__")};
	return labels_except(labels, names, 3, false, out);
}

static bool names_metric(struct slice name)
{
	return name.len == 8 && (memcmp(name.ptr, "__name__", 8) == 0 || memcmp(name.ptr, "__type__", 8) == 0 ||
	                         memcmp(name.ptr, "__unit__", 8) == 0);
}

int labels_unnamed_slice(struct slice labels, struct buf *room, struct slice *set)
{
	const char *at = labels.ptr, *end = labels.len == 0 ? at : at + labels.len;
	const char *from = at; /* the first label that stays */
	bool found = false, more = false;

	*set = labels;
	/* They come first, but for labels whose names begin with an upper-case letter. No label that stays is looked at twice. */
	while (at < end) {
		const char *label = at;
		struct slice name = next_name(&at);
		if (name.ptr[0] > '_') /* only such follow */
			break;
		if (!names_metric(name))
			continue;
		if (label == from)
			from = at;
		else
			more = true;
		found = true;
	}
	if (more) {
		int code = labels_unnamed(labels, room);
		*set = buf_slice(room);
		return code;
	}
	if (found)
		*set = slice_new(from, (size_t)(end - from));
	return 0;
}

int labels_with(struct slice labels, struct slice name, struct slice value, struct buf *out)
{
	const char *at = labels.ptr, *end = labels.len == 0 ? at : at + labels.len;
	const char *before = end, *behind = end; /* where the label stands, or is to */
	struct label label = {name, value};

	if (value.len > 0 && (name.len == 0 || name.len > LABEL_NAME_BYTES_MAX || value.len > LABEL_VALUE_BYTES_MAX))
		return -E2BIG;
	while (at < end) {
		const char *from = at;
		int order = slice_compare(next_name(&at), name);
		if (order < 0)
			continue;
		before = from;
		behind = order == 0 ? at : from;
		break;
	}
	buf_reset(out);
	buf_append(out, labels.ptr, (size_t)(before - labels.ptr));
	if (value.len > 0) {
		size_t size = labels_size(&label, 1);
		char *to = buf_room(out, size);
		if (to == NULL)
			return -ENOMEM;
		labels_write(to, &label, 1);
		out->len += size;
	}
	buf_append(out, behind, (size_t)(end - behind));
	return out->len > LABELS_BYTES_MAX ? -E2BIG : done(out);
}

int labels_fail(struct eval *ev, int code)
{
	if (code != -E2BIG)
		return eval_no_memory(ev);
	return eval_fail(ev, -E2BIG, "a label has at most %d bytes, and all labels of a series %d",
	                 LABEL_VALUE_BYTES_MAX, LABELS_BYTES_MAX);
}
