/* Room for the samples of one series, as readers gather them: two arrays that grow together. Private to tsdb. */
#ifndef MOONGATE_TSDB_SAMPLE_ROOM_H
#define MOONGATE_TSDB_SAMPLE_ROOM_H

#include <stddef.h>
#include <stdint.h>

struct sample_room {
	int64_t *times_ms; /* owned, as the next one */
	uint64_t *values;
	uint32_t count;
	size_t cap;
};

/* Room for `more` samples behind the `count` that there are. 0 or -ENOMEM, then they are as they were. */
int sample_room_grow(struct sample_room *room, size_t more);

/* Appends samples; the arrays may be NULL where there are none. 0 or -ENOMEM. */
int sample_room_add(struct sample_room *room, const int64_t *times_ms, const uint64_t *values, uint32_t count);

void sample_room_deinit(struct sample_room *room);

#endif
