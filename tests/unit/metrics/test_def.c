/* What a definition may say, what may share a family, and which names get in each other's way. */
#include "support.h"

#include "metrics/internal.h"

static void refuses(const struct metric_def *def, const char *wanted)
{
	struct error err = {0};

	assert_int_equal(metric_def_check(def, &err), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	if (strstr(err.text, wanted) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, wanted);
	assert_int_equal(metric_def_check(def, NULL), -EINVAL);
}

static void accepts(const struct metric_def *def)
{
	struct error err = {0};

	if (metric_def_check(def, &err) != 0)
		fail_msg("%s", err.text);
}

static void test_names(void **state)
{
	(void)state;
	static const char *const good[] = {"a", "_", ":", "a1", "A:b_9", "agent_cost_usd_total", "_total", "moongate"};
	static const char *const bad[] = {"", "1a", "a-b", "a b", "ä", "a.b", "a\n"};
	char name[300];

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct metric_def def = def_of(good[i], METRIC_COUNTER, NULL, NULL);
		accepts(&def);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct metric_def def = def_of(bad[i], METRIC_COUNTER, NULL, NULL);
		refuses(&def, "wanted letters");
	}
	/* What the gateway shows of its own process. */
	static const char *const own[] = {"process_cpu_seconds_total", "process_resident_memory_bytes",
	                                  "process_open_fds"};
	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		struct metric_def taken = def_of(own[i], METRIC_GAUGE, NULL, NULL);
		refuses(&taken, "is the gateway's own");
	}
	struct metric_def orders = def_of("process_orders_total", METRIC_COUNTER, NULL, NULL);
	accepts(&orders);
	struct metric_def def = def_of("moongate_x", METRIC_GAUGE, NULL, NULL);
	refuses(&def, "the gateway's own");
	memset(name, 'a', sizeof name);
	def.name = slice_new(name, 256);
	accepts(&def);
	def.name = slice_new(name, 257);
	refuses(&def, "257 bytes");
	def.name = slice_new("a\0b", 3);
	refuses(&def, "wanted letters");
}

static void test_help(void **state)
{
	(void)state;
	static char help[5000];
	struct metric_def def = def_of("a", METRIC_GAUGE, NULL, NULL);

	def.help = (struct slice){NULL, 0};
	accepts(&def);
	def.help = SLICE("Zeilen\n\"und\" \\ mehr: ü");
	accepts(&def);
	def.help = SLICE("\xff");
	refuses(&def, "not UTF-8");
	memset(help, 'x', sizeof help);
	def.help = slice_new(help, 4097);
	refuses(&def, "4097");
}

static void test_units(void **state)
{
	(void)state;
	static const struct {
		enum metric_type type;
		const char *name, *unit, *wanted; /* NULL: good */
	} cases[] = {
	    {METRIC_COUNTER, "cost_usd_total", "usd", NULL},
	    {METRIC_COUNTER, "cost_usd", "usd", NULL},
	    {METRIC_COUNTER, "cost_total", "usd", "wanted \"cost_usd_total\""},
	    {METRIC_COUNTER, "costusd_total", "usd", "wanted \"costusd_usd_total\""},
	    {METRIC_GAUGE, "daily_cost_usd", "usd", NULL},
	    {METRIC_GAUGE, "daily_cost", "usd", "wanted \"daily_cost_usd\""},
	    {METRIC_GAUGE, "cost_usd_total", "usd", "wanted \"cost_usd_usd\""},
	    {METRIC_HISTOGRAM, "latency", "seconds", "a histogram with unit \"seconds\""},
	    {METRIC_SUMMARY, "latency_seconds", "seconds", NULL},
	    {METRIC_GAUGE, "usd", "usd", "wanted"},
	    {METRIC_GAUGE, "a_b c", "b c", "wanted"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct metric_def def = def_of(cases[i].name, cases[i].type, NULL, NULL);
		def.unit = slice_cstr(cases[i].unit);
		if (cases[i].wanted == NULL)
			accepts(&def);
		else
			refuses(&def, cases[i].wanted);
	}
}

static void test_labels(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "1a", "a:b", "a-b", "le", "quantile", "__name__", "moongate_overflow"};
	struct slice many[METRIC_LABELS_MAX + 1];
	char names[METRIC_LABELS_MAX + 1][8];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct metric_def def = def_of("a", METRIC_GAUGE, bad[i], NULL);
		refuses(&def, "label name");
	}
	struct metric_def def = def_of("a", METRIC_GAUGE, "_user", "Model9");
	accepts(&def);
	def = def_of("a", METRIC_GAUGE, "x", "x");
	refuses(&def, "\"x\" is named twice");
	for (int i = 0; i <= METRIC_LABELS_MAX; i++)
		many[i] = slice_new(names[i], (size_t)snprintf(names[i], sizeof names[i], "l%d", i));
	def.labels = many;
	def.label_count = METRIC_LABELS_MAX;
	accepts(&def);
	def.label_count++;
	refuses(&def, "17 labels");
}

static void test_numbers(void **state)
{
	(void)state;
	double buckets[METRIC_BUCKETS_MAX + 1];
	struct metric_def def = def_of("a", METRIC_HISTOGRAM, NULL, NULL);

	for (int i = 0; i <= METRIC_BUCKETS_MAX; i++)
		buckets[i] = i;
	def.buckets = buckets;
	def.bucket_count = METRIC_BUCKETS_MAX;
	accepts(&def);
	def.bucket_count++;
	refuses(&def, "129 buckets");
	def.bucket_count = 0;
	refuses(&def, "0 buckets");
	def.bucket_count = 3;
	buckets[2] = 1;
	refuses(&def, "bucket 3 is 1 after 1");
	buckets[2] = NAN;
	refuses(&def, "finite");
	buckets[2] = INFINITY;
	refuses(&def, "finite");
	def = def_of("a", METRIC_SUMMARY, NULL, NULL);
	def.quantiles = buckets;
	buckets[0] = 0;
	buckets[1] = 1;
	def.quantile_count = 2;
	accepts(&def);
	buckets[1] = 0;
	refuses(&def, "quantile 2 is 0 after 0");
	buckets[1] = 1.5;
	refuses(&def, "wanted 0 to 1");
	buckets[1] = NAN;
	refuses(&def, "wanted 0 to 1");
	def.quantile_count = 17;
	refuses(&def, "17 quantiles");
	def.quantile_count = 0;
	accepts(&def);
}

static void test_limits(void **state)
{
	(void)state;
	struct metric_def def = def_of("a", METRIC_RATIO, NULL, NULL);

	def.window_ns = NS_PER_S - 1;
	refuses(&def, "window");
	def.window_ns = INT64_C(401) * 86400 * NS_PER_S;
	refuses(&def, "window");
	def.window_ns = NS_PER_S;
	accepts(&def);
	def.idle_ns = -1;
	refuses(&def, "idle");
	def = def_of("a", METRIC_TOPK, NULL, NULL);
	def.k = 0;
	refuses(&def, "k is 0");
	def.k = METRIC_TOPK_MAX + 1;
	refuses(&def, "k is 100001");
	def = def_of("a", METRIC_DISTINCT, NULL, NULL);
	def.period = (enum calendar)7;
	refuses(&def, "period 7");
	def = def_of("a", (enum metric_type)0, NULL, NULL);
	refuses(&def, "type 0");
	def = def_of("a", (enum metric_type)9, NULL, NULL);
	refuses(&def, "type 9");
}

static void differs(const struct metric_def *a, const struct metric_def *b, const char *wanted)
{
	struct error err = {0};

	assert_int_equal(metric_def_compatible(a, b, &err), -EEXIST);
	if (strstr(err.text, wanted) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, wanted);
}

static void test_compatible(void **state)
{
	(void)state;
	static const double other[] = {0.1, 1, 11};
	struct metric_def a = def_of("a", METRIC_HISTOGRAM, "x", "y");
	struct metric_def b = def_of("a", METRIC_HISTOGRAM, "x", "y");

	b.where = SLICE("metrics/other.lua:9");
	b.help = SLICE("Other");
	b.max_series = 7;
	b.idle_ns = 9;
	assert_int_equal(metric_def_compatible(&a, &b, NULL), 0);
	b.buckets = other;
	differs(&a, &b, "other buckets at metrics/other.lua:9 than at metrics/test.lua:1");
	b = def_of("a", METRIC_HISTOGRAM, "y", "x");
	differs(&a, &b, "{y,x} against {x,y}");
	b = def_of("a", METRIC_COUNTER, "x", "y");
	differs(&a, &b, "is a histogram at metrics/test.lua:1 and a counter");
	a = def_of("a", METRIC_SUMMARY, NULL, NULL);
	b = a;
	b.quantile_count = 2;
	differs(&a, &b, "quantiles");
	b = a;
	b.window_ns++;
	differs(&a, &b, "window");
	a = def_of("a", METRIC_DISTINCT, NULL, NULL);
	b = a;
	b.period = CALENDAR_MONTH;
	differs(&a, &b, "period");
	a = def_of("a", METRIC_TOPK, NULL, NULL);
	b = a;
	b.k = 4;
	differs(&a, &b, "other k");
	a = def_of("a", METRIC_COUNTER, NULL, NULL);
	b = a; /* what a counter does not have is not looked at */
	b.k = 4;
	b.window_ns = 1;
	b.bucket_count = 0;
	assert_int_equal(metric_def_compatible(&a, &b, NULL), 0);
}

/* All names that a family may show, written out. */
static int names_of(const struct metric_def *def, char names[8][64])
{
	char base[32];
	int n = 0;
	bool counter = def->type == METRIC_COUNTER, histogram = def->type == METRIC_HISTOGRAM;
	bool summary = def->type == METRIC_SUMMARY;

	snprintf(base, sizeof base, "%.*s", SLICE_ARG(metric_base_name(def->type, def->name)));
	snprintf(names[n++], 64, "%s", base);
	if (counter)
		snprintf(names[n++], 64, "%s_total", base);
	if (histogram)
		snprintf(names[n++], 64, "%s_bucket", base);
	if (histogram || summary) {
		snprintf(names[n++], 64, "%s_sum", base);
		snprintf(names[n++], 64, "%s_count", base);
	}
	if (counter || histogram || summary)
		snprintf(names[n++], 64, "%s_created", base);
	return n;
}

static bool clash_slowly(const struct metric_def *a, const struct metric_def *b)
{
	char of_a[8][64], of_b[8][64];
	int count_a = names_of(a, of_a), count_b = names_of(b, of_b);

	for (int i = 0; i < count_a; i++) {
		for (int j = 0; j < count_b; j++) {
			if (strcmp(of_a[i], of_b[j]) == 0)
				return true;
		}
	}
	return false;
}

static void test_clashes(void **state)
{
	(void)state;
	static const char *const names[] = {
	    "a", "a_total",     "a_count",     "a_sum",  "a_bucket", "a_created", "a_count_s", "a_total_total",
	    "b", "a_sum_count", "a_total_sum", "_total", "a_"};
	enum { NAMES = sizeof names / sizeof *names };
	int clashes = 0;

	for (int i = 0; i < NAMES * METRIC_MEAN * NAMES * METRIC_MEAN; i++) {
		int x = i % (NAMES * METRIC_MEAN), y = i / (NAMES * METRIC_MEAN);
		struct metric_def a = {.name = slice_cstr(names[x % NAMES]), .type = (enum metric_type)(1 + x / NAMES)};
		struct metric_def b = {.name = slice_cstr(names[y % NAMES]), .type = (enum metric_type)(1 + y / NAMES)};
		bool expected = clash_slowly(&a, &b);
		if (meta_names_clash(&a, &b) != expected)
			fail_msg("%s %s and %s %s", metric_type_name(a.type), names[x % NAMES],
			         metric_type_name(b.type), names[y % NAMES]);
		clashes += expected;
	}
	assert_true(clashes > NAMES * METRIC_MEAN * METRIC_MEAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),      cmocka_unit_test(test_help),    cmocka_unit_test(test_units),
	    cmocka_unit_test(test_labels),     cmocka_unit_test(test_numbers), cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_compatible), cmocka_unit_test(test_clashes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
