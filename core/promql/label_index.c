/* Label sets by number: a table over their canonical bytes. */
#include "promql/label_index.h"

#include "record/labels.h"

int eval_grow(struct eval *ev, void **items, size_t *cap, size_t wanted, size_t size)
{
	enum { CAP_MIN = 16, DOUBLED_BYTES_MAX = 4 << 20 };

	if (wanted <= *cap)
		return 0;
	/* What is large grows by less: moving it is cheap (mremap), and the bound on memory is not far. */
	size_t grown = *cap * size < DOUBLED_BYTES_MAX ? *cap * 2 : *cap + *cap / 4;
	if (grown < CAP_MIN)
		grown = CAP_MIN;
	if (grown < wanted)
		grown = wanted;
	void *p = eval_realloc(ev, *items, *cap * size, grown * size);
	if (p == NULL)
		return ev->err->code;
	*items = p;
	*cap = grown;
	return 0;
}

void label_index_init(struct label_index *x, struct eval *ev)
{
	*x = (struct label_index){.ev = ev, .last = LABEL_INDEX_NONE};
	table_init(&x->table);
}

void label_index_deinit(struct label_index *x)
{
	table_deinit(&x->table);
	eval_release(x->ev, x->text, x->text_cap);
	eval_release(x->ev, x->sets, x->cap * sizeof *x->sets);
	label_index_init(x, x->ev);
}

static bool same(const void *ctx, const void *key, uint32_t item)
{
	return slice_eq(label_index_labels(ctx, item), *(const struct slice *)key);
}

static bool is_last(const struct label_index *x, struct slice labels)
{
	return x->last != LABEL_INDEX_NONE && x->sets[x->last].len == labels.len &&
	       bytes_same(x->text + x->sets[x->last].at, labels.ptr, labels.len);
}

uint32_t label_index_find(struct label_index *x, struct slice labels)
{
	if (is_last(x, labels))
		return x->last;
	uint32_t found = table_find(&x->table, labels_hash(labels), same, x, &labels);
	if (found != LABEL_INDEX_NONE)
		x->last = found;
	return found;
}

static int append(struct label_index *x, struct slice labels)
{
	int code = eval_grow(x->ev, (void **)&x->sets, &x->cap, (size_t)x->count + 1, sizeof *x->sets);
	if (code == 0)
		code = eval_grow(x->ev, (void **)&x->text, &x->text_cap, x->text_len + labels.len + 1, 1);
	if (code != 0)
		return code;
	if (table_add(&x->table, labels_hash(labels), x->count) != 0)
		return eval_no_memory(x->ev);
	if (labels.len > 0)
		memcpy(x->text + x->text_len, labels.ptr, labels.len);
	x->sets[x->count++] = (struct label_index_set){x->text_len, (uint32_t)labels.len};
	x->text_len += labels.len;
	return 0;
}

int label_index_add(struct label_index *x, struct slice labels, uint32_t *number)
{
	*number = label_index_find(x, labels);
	if (*number != LABEL_INDEX_NONE)
		return 0;
	int code = append(x, labels);
	if (code == 0)
		*number = x->last = x->count - 1;
	return code;
}
