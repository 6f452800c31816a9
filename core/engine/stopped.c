/* The scripts that have been stopped, and why, as any thread may read them: the set itself belongs to the engine thread, and /ready must not wait for it. */
#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"

struct stopped {
	struct stopped *next;
	enum engine_stop what;
	uint32_t script_len, reason_len;
	char text[]; /* the script's path, the reason */
};

static struct slice script_of(const struct stopped *s)
{
	return slice_new(s->text, s->script_len);
}

static struct slice reason_of(const struct stopped *s)
{
	return slice_new(s->text + s->script_len, s->reason_len);
}

static struct stopped *make(enum engine_stop what, struct slice script, struct slice reason)
{
	struct stopped *s = mem_alloc(sizeof *s + script.len + reason.len);
	if (s == NULL)
		return NULL;
	s->next = NULL;
	s->what = what;
	s->script_len = (uint32_t)script.len;
	s->reason_len = (uint32_t)reason.len;
	memcpy(s->text, script.ptr, script.len);
	memcpy(s->text + script.len, reason.ptr, reason.len);
	return s;
}

/* The place in the list of the script's entry, or the end. Under the lock. */
static struct stopped **find(struct engine *e, enum engine_stop what, struct slice script)
{
	struct stopped **at = &e->stopped;
	while (*at != NULL && ((*at)->what != what || !slice_eq(script_of(*at), script)))
		at = &(*at)->next;
	return at;
}

bool stopped_note(struct engine *e, enum engine_stop what, struct slice script, struct slice reason)
{
	struct stopped *noted = make(what, script, reason);
	mutex_lock(&e->stopped_lock);
	struct stopped **at = find(e, what, script);
	struct stopped *old = *at;
	if (noted != NULL) {
		noted->next = old != NULL ? old->next : NULL;
		*at = noted;
	}
	mutex_unlock(&e->stopped_lock);
	if (noted == NULL)
		LOG(LOG_ERROR, "out of memory: /ready does not name a script that has been stopped",
		    log_slice("script", script), log_slice("reason", reason));
	else
		mem_free(old);
	return old == NULL;
}

void stopped_clear(struct engine *e)
{
	mutex_lock(&e->stopped_lock);
	struct stopped *s = e->stopped;
	e->stopped = NULL;
	mutex_unlock(&e->stopped_lock);
	while (s != NULL) {
		struct stopped *next = s->next;
		mem_free(s);
		s = next;
	}
}

void engine_stopped_scripts(struct engine *e, enum engine_stop what,
                            void (*each)(void *ctx, struct slice script, struct slice reason), void *ctx)
{
	mutex_lock(&e->stopped_lock);
	for (const struct stopped *s = e->stopped; s != NULL; s = s->next) {
		if (s->what == what)
			each(ctx, script_of(s), reason_of(s));
	}
	mutex_unlock(&e->stopped_lock);
}
