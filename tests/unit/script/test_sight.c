/* Looking ahead: what is learned, what is given up, and that no value comes out differently for it. */
#include "support.h"

#include "script/internal.h"

enum { USERS = 3000, BLOCK = 1000 };

static struct world *by_user(const char *body)
{
	char text[1024];

	snprintf(text, sizeof text,
	         "local c = counter 'c_total' { labels = { 'user', 'model' }, max_series = 100000 }\n%s", body);
	return world_with(text);
}

/* A frame of events of ever other users. */
static void users(struct world *w, const char *more)
{
	static uint32_t next;
	char fields[256];

	for (int i = 0; i < BLOCK; i++) {
		snprintf(fields, sizeof fields, "user_id=user-%u model=m%u %s", next % USERS, next % 2, more);
		event(w, "x", fields);
		next += 7;
	}
	frame(w);
}

static const struct sights *sights_of(const struct world *w)
{
	const struct script *s = w->set->scripts[0];

	for (uint32_t i = 0; i <= TYPES_MAX; i++) {
		if (s->views[i] != NULL && s->views[i]->field_count != 0)
			return &s->views[i]->sights;
	}
	fail_msg("no view has learned a field");
	return NULL;
}

static double sum(struct world *w)
{
	double all = 0;

	for (const char *at = strstr(exposition(w), "\nc_total{"); at != NULL; at = strstr(at + 1, "\nc_total{"))
		all += strtod(strstr(at, "} ") + 2, NULL);
	return all;
}

static void fields_of_labels_are_learned(void **state)
{
	(void)state;
	struct world *w = by_user("on('x', function(ev) c:inc(ev.user_id, ev.model) end)");

	users(w, "");
	assert_int_equal(sights_of(w)->count, 0); /* so small a metric is in the cache anyhow */
	for (int i = 0; i < 4; i++)
		users(w, i % 2 == 0 ? "" : "of=another shape=1");
	const struct sights *s = sights_of(w);
	assert_int_equal(s->count, 1);
	assert_false(s->items[0].blind);
	assert_int_equal(stats_of(w, 0).errors, 0);
	world_free(w);
}

static void labels_may_be_anything_afterwards(void **state)
{
	(void)state;
	struct world *w = by_user("on('x', function(ev)\n"
	                          "  local user = ev.user_id\n"
	                          "  if ev.mode == 'number' then c:inc(user, 'm0') return end\n"
	                          "  c:inc(user, ev.model)\n"
	                          "end)");
	char fields[4096] = "model=m1 user_id=";

	for (int i = 0; i < 4; i++)
		users(w, "");
	assert_int_equal(sights_of(w)->count, 1);
	memset(fields + strlen(fields), 'u', 1500); /* longer than a label may be */
	event(w, "x", fields);
	event(w, "x", "user_id=5 model=m1");
	event(w, "x", "model=m1");
	event(w, "x", "user_id=ann mode=number");
	event(w, "x", "user_id=true model=m0");
	frame(w);
	assert_value(w, "c_total{user=\"5\",model=\"m1\"}", 1);
	assert_value(w, "c_total{model=\"m1\"}", 1);
	assert_value(w, "c_total{user=\"ann\",model=\"m0\"}", 1);
	assert_int_equal(stats_of(w, 0).errors, 0);
	world_free(w);
}

static void what_is_in_vain_is_given_up(void **state)
{
	(void)state;
	struct world *w = by_user("local n = 0\n"
	                          "on('x', function(ev)\n"
	                          "  n = n + 1\n"
	                          "  local user, model = ev.user_id, ev.model\n"
	                          "  if n < 4000 or n % 100 == 0 then c:inc(user, model) end\n"
	                          "end)");

	for (int i = 0; i < 16; i++)
		users(w, "");
	assert_int_equal(sights_of(w)->count, 1);
	assert_true(sights_of(w)->items[0].blind);
	world_free(w);
}

static void labels_that_are_no_fields_are_not_sought_for_ever(void **state)
{
	(void)state;
	struct world *w = by_user("on('x', function(ev) c:inc(ev.user_id .. '!', ev.model) end)");

	for (int i = 0; i < 4; i++)
		users(w, "");
	assert_int_equal(sights_of(w)->count, 0);
	assert_int_equal(sights_of(w)->tries, SIGHT_TRIES);
	world_free(w);
}

static void every_event_counts_once(void **state)
{
	(void)state;
	struct world *w = by_user("on('x', function(ev) c:inc(ev.user_id, ev.model) end)");

	for (int i = 0; i < 5; i++)
		users(w, "");
	assert_true(sum(w) == 5 * BLOCK);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields_of_labels_are_learned),
	    cmocka_unit_test(labels_may_be_anything_afterwards),
	    cmocka_unit_test(what_is_in_vain_is_given_up),
	    cmocka_unit_test(labels_that_are_no_fields_are_not_sought_for_ever),
	    cmocka_unit_test(every_event_counts_once),
	};
	quiet();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
