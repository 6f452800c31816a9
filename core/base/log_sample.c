/* A table of bounded size, however many kinds of lines there are: each kind has four slots to live in and takes the
 * place of the one that was quiet the longest, which then begins anew. Forgetting a kind errs towards writing too much;
 * what it had left out is in log_sampled() all the same. */
#include "base/log_sample.h"

static struct log_sample_slot *slot_of(struct log_sample *s, uint64_t hash)
{
	struct log_sample_slot *ways = &s->slots[hash % (LOG_SAMPLE_SLOTS / LOG_SAMPLE_WAYS) * LOG_SAMPLE_WAYS];
	struct log_sample_slot *oldest = ways;

	for (int i = 0; i < LOG_SAMPLE_WAYS; i++) {
		if (ways[i].hash == hash)
			return &ways[i];
		if (ways[i].second < oldest->second)
			oldest = &ways[i];
	}
	*oldest = (struct log_sample_slot){.hash = hash, .second = INT64_MIN};
	return oldest;
}

bool log_sample_take(struct log_sample *s, uint64_t hash, int64_t second, uint32_t first, uint32_t then,
                     uint64_t *missed)
{
	struct log_sample_slot *slot = slot_of(s, hash);

	if (slot->second != second) {
		slot->second = second;
		slot->seen = 0;
	}
	if (slot->seen < UINT32_MAX)
		slot->seen++;
	if (slot->seen > first && (then == 0 || (slot->seen - first) % then != 0)) {
		slot->missed++;
		return false;
	}
	*missed = slot->missed;
	slot->missed = 0;
	return true;
}
