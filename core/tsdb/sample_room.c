/* Room for samples, see sample_room.h. */
#include "tsdb/sample_room.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

enum { SAMPLES_MIN = 256 };

int sample_room_grow(struct sample_room *room, size_t more)
{
	size_t want = room->count + more, cap = room->cap < SAMPLES_MIN ? SAMPLES_MIN : room->cap;
	if (want <= room->cap)
		return 0;
	if (want > UINT32_MAX)
		return -ENOMEM;
	while (cap < want)
		cap *= 2;
	int64_t *times = mem_realloc(room->times_ms, cap * sizeof *times);
	if (times != NULL)
		room->times_ms = times;
	uint64_t *values = mem_realloc(room->values, cap * sizeof *values);
	if (values != NULL)
		room->values = values;
	if (times == NULL || values == NULL)
		return -ENOMEM;
	room->cap = cap;
	return 0;
}

int sample_room_add(struct sample_room *room, const int64_t *times_ms, const uint64_t *values, uint32_t count)
{
	int code = sample_room_grow(room, count);
	if (code != 0 || count == 0)
		return code;
	memcpy(room->times_ms + room->count, times_ms, count * sizeof *times_ms);
	memcpy(room->values + room->count, values, count * sizeof *values);
	room->count += count;
	return 0;
}

void sample_room_deinit(struct sample_room *room)
{
	mem_free(room->times_ms);
	mem_free(room->values);
	memset(room, 0, sizeof *room);
}
