/* Groups: what goes to disk together, and who waits for it. The journal's half holds the bytes, ours the records that the bytes stand
 * for, so that applying needs no decoding. */
#include <errno.h>

#include "base/check.h"
#include "base/mem.h"
#include "engine/internal.h"

struct group *group_open(struct engine *e, int *code)
{
	struct journal_group *journal = journal_group_begin(e->journal, code);
	if (journal == NULL)
		return NULL;
	struct group *g = e->spare;
	if (g != NULL)
		e->spare = g->next;
	else
		g = mem_zalloc(1, sizeof *g);
	if (g == NULL) {
		journal_group_free(journal);
		*code = -ENOMEM;
		return NULL;
	}
	g->journal = journal;
	g->head = NULL;
	g->tail = &g->head;
	g->ref_count = g->part_count = g->key_count = g->defined_count = g->submissions = g->controls = 0;
	g->ordinal = ++e->groups;
	g->has_samples = g->has_numbers = false;
	g->frame_open = false;
	g->opened_ns = clock_mono_ns();
	g->next = NULL;
	journal_group_set_user(journal, g);
	return g;
}

void group_release(struct engine *e, struct group *g)
{
	for (uint32_t i = 0; i < g->part_count; i++) {
		reload_free(g->parts[i].reload);
		g->parts[i].reload = NULL;
	}
	journal_group_free(g->journal);
	g->journal = NULL;
	g->next = e->spare;
	e->spare = g;
}

void group_free(struct group *g)
{
	if (g == NULL)
		return;
	mem_free(g->refs);
	mem_free(g->parts);
	mem_free(g->keys);
	mem_free(g->defined);
	mem_free(g);
}

int group_add_ref(struct group *g, struct record *r)
{
	if (g->ref_count == g->ref_cap) {
		int code = mem_grow((void **)&g->refs, &g->ref_cap, g->ref_count, sizeof *g->refs);
		if (code != 0)
			return code;
	}
	g->refs[g->ref_count++] = r;
	return 0;
}

int group_add_part(struct group *g, const struct frame_part *part)
{
	if (g->part_count == g->part_cap) {
		int code = mem_grow((void **)&g->parts, &g->part_cap, g->part_count, sizeof *g->parts);
		if (code != 0)
			return code;
	}
	g->parts[g->part_count++] = *part;
	return 0;
}

int group_add_key(struct group *g, uint64_t key)
{
	if (g->key_count == g->key_cap) {
		int code = mem_grow((void **)&g->keys, &g->key_cap, g->key_count, sizeof *g->keys);
		if (code != 0)
			return code;
	}
	g->keys[g->key_count++] = key;
	return 0;
}

int group_add_defined(struct group *g, uint32_t number)
{
	if (g->defined_count == g->defined_cap) {
		int code = mem_grow((void **)&g->defined, &g->defined_cap, g->defined_count, sizeof *g->defined);
		if (code != 0)
			return code;
	}
	g->defined[g->defined_count++] = number;
	return 0;
}

void group_add_submission(struct group *g, struct submission *s)
{
	s->next = NULL;
	*g->tail = s;
	g->tail = &s->next;
	g->submissions++;
}

void group_fail(struct engine *e, struct group *g, int status)
{
	CHECK(status < 0);
	for (uint32_t i = 0; i < g->key_count; i++)
		dedup_remove(e->dedup, g->keys[i]);
	samples_failed(e, g);
	struct error err;
	error_set(&err, status, "the scripts were not swapped, since they could not be journaled: %s",
	          strerror(-status));
	for (uint32_t i = 0; i < g->part_count; i++) {
		struct reload *reload = g->parts[i].reload;
		if (reload != NULL && reload->done != NULL)
			reload->done(reload->user, status, &err);
	}
	e->control_sent -= g->controls;
	e->timer_ns = INT64_MIN; /* its frame may have been in here */
	e->counters.failed_groups++;
	submissions_finish(e, g->head, status);
	group_release(e, g);
}

/* Of what was acknowledged alone, so that the sum is that of the answers. On the engine's thread. */
static void count_answer(struct engine_counters *c, const struct submission *s)
{
	c->accepted += s->accepted;
	c->duplicate += s->duplicate;
	c->refused += s->failed;
}

void submissions_finish(struct engine *e, struct submission *s, int status)
{
	while (s != NULL) {
		struct submission *next = s->next;
		size_t held = s->held_bytes; /* its owner may reuse it from `done` on */
		s->next = NULL;
		if (status != 0)
			s->status = status; /* else that of this one alone, which applying may have set */
		if (s->status != 0)
			s->accepted = s->duplicate = s->failed = 0;
		else
			count_answer(&e->counters, s);
		atomic_fetch_sub(&e->held_bytes, held); /* first: the next of this client may come at once */
		s->done(s);
		s = next;
	}
}
