/* Spare buffers; spares.h says what for. */
#include "metrics/spares.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

/* What lies in a buffer while nobody uses it. */
struct spare {
	struct spare *next;
};

void spares_init(struct spares *s)
{
	memset(s, 0, sizeof *s);
	mutex_init(&s->lock);
}

/* Frees the buffers of a list beyond `keep`. */
static void trim(struct spare_list *list, size_t keep)
{
	while (list->kept > keep) {
		struct spare *buffer = list->first;
		list->first = buffer->next;
		list->kept--;
		mem_free(buffer);
	}
}

void spares_deinit(struct spares *s)
{
	for (int i = 0; i < SPARE_SIZES; i++)
		trim(&s->lists[i], 0);
	mutex_deinit(&s->lock);
}

/* The list of a size, or NULL when there is none. */
static struct spare_list *find(struct spares *s, size_t size)
{
	for (int i = 0; i < SPARE_SIZES; i++) {
		if (s->lists[i].size == size)
			return &s->lists[i];
	}
	return NULL;
}

/* Puts a buffer on its list; false when the list has enough. */
static bool put(struct spare_list *list, void *buffer)
{
	struct spare *spare = buffer;

	if (list == NULL || list->kept >= list->wanted)
		return false;
	spare->next = list->first;
	list->first = spare;
	list->kept++;
	return true;
}

int spares_more(struct spares *s, size_t size)
{
	void *buffer = mem_alloc(size);

	if (buffer == NULL)
		return -ENOMEM;
	memset(buffer, 0, size); /* brings the pages in */
	mutex_lock(&s->lock);
	struct spare_list *list = find(s, size);
	if (list == NULL) {
		list = find(s, 0);
		if (list != NULL)
			*list = (struct spare_list){.size = size};
	}
	if (list != NULL)
		list->wanted++;
	bool kept = put(list, buffer);
	mutex_unlock(&s->lock);
	if (!kept)
		mem_free(buffer);
	return 0;
}

void spares_less(struct spares *s, size_t size)
{
	mutex_lock(&s->lock);
	struct spare_list *list = find(s, size);
	if (list != NULL && list->wanted > 0) {
		list->wanted--;
		trim(list, list->wanted);
		if (list->wanted == 0)
			list->size = 0;
	}
	mutex_unlock(&s->lock);
}

void *spares_take(struct spares *s, size_t size)
{
	mutex_lock(&s->lock);
	struct spare_list *list = find(s, size);
	struct spare *spare = list != NULL ? list->first : NULL;
	if (spare != NULL) {
		list->first = spare->next;
		list->kept--;
	}
	mutex_unlock(&s->lock);
	return spare != NULL ? spare : mem_alloc(size);
}

void spares_give(struct spares *s, void *buffer, size_t size)
{
	if (buffer == NULL)
		return;
	mutex_lock(&s->lock);
	bool kept = put(find(s, size), buffer);
	mutex_unlock(&s->lock);
	if (!kept)
		mem_free(buffer);
}
