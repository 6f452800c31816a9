/* What scraping hands over goes to the engine, as what is sent does. */
#include <errno.h>

#include "base/mem.h"
#include "cli/internal.h"

struct handed_over {
	struct submission submission;
	void (*done)(void *token, const struct scrape_outcome *outcome);
	void *token;
};

/* On the engine's thread. */
static void submitted(struct submission *s)
{
	struct handed_over *h = s->user;
	const struct sample_results *r = &s->results;
	const struct scrape_outcome outcome = {
	    .status = s->status,
	    .refused = r->refused_total,
	    .why = r->refusal_count > 0 ? sample_refused_text(r->refusals[0].why) : NULL,
	};

	h->done(h->token, &outcome);
	mem_free(h);
}

static void submit(void *ctx, struct sample_batch *samples,
                   void (*done)(void *token, const struct scrape_outcome *outcome), void *token)
{
	struct handed_over *h = mem_zalloc(1, sizeof *h);

	if (h == NULL) {
		const struct scrape_outcome outcome = {.status = -ENOMEM};
		done(token, &outcome);
		return;
	}
	h->submission = (struct submission){.samples = samples, .done = submitted, .user = h};
	h->done = done;
	h->token = token;
	engine_submit(ctx, &h->submission);
}

struct scrape_sink scrape_into(struct engine *engine)
{
	return (struct scrape_sink){.submit = submit, .ctx = engine};
}
