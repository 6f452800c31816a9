/* Row 23. Regular expressions that are made to be dear, and values that are made for them: each is refused with a sentence, or compiled within its memory; then a value of the largest size that
 * labels have takes 10 ms of CPU at most, and a text of 64 KiB no more for each of its bytes. Matchers of the same patterns hold to the same.
 *
 * Memory is what malloc gave to anyone, RE2 included: this program stands before it. */
#include <errno.h>
#include <malloc.h>
#include <time.h>

#include "base/buf.h"
#include "base/regex.h"
#include "record/labels.h"
#include "record/matcher.h"
#include "support/row.h"

static const struct row row = {23, "regular-expression bombs"};

enum { VALUE_MS = 10, LONG_TEXT = 64 * 1024, BOMBS_MIN = 40, TRIES = 3 };

/* A sanitizer has a malloc of its own, and its instructions take their time: then it is the answers that count. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
static size_t live, peak;
#else
enum { SANITIZED = 0 };
static size_t live, peak;

/* The names are the C library's. NOLINTBEGIN */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *at, size_t size);
void __libc_free(void *at);
/* NOLINTEND */

static void *taken(void *at)
{
	live += at != NULL ? malloc_usable_size(at) : 0;
	peak = live > peak ? live : peak;
	return at;
}

void *malloc(size_t size)
{
	return taken(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
	return taken(__libc_calloc(count, size));
}

void *realloc(void *at, size_t size)
{
	size_t before = at != NULL ? malloc_usable_size(at) : 0;
	void *now = __libc_realloc(at, size);
	if (now != NULL)
		live -= before;
	return taken(now);
}

void free(void *at)
{
	live -= at != NULL ? malloc_usable_size(at) : 0;
	__libc_free(at);
}
#endif

/* before, then `times` times the unit with its number put in for #, then after. */
static const struct bomb {
	const char *before, *unit;
	int times;
	const char *after;
} bombs[] = {
    {"", "(a+)+$", 1, ""},
    {"", "(a*)*$", 1, ""},
    {"", "(a|a)*$", 1, ""},
    {"", "(a|aa)+$", 1, ""},
    {"", "(a|a?)+b", 1, ""},
    {"", "(x+x+)+y", 1, ""},
    {"", "(.*)*x", 1, ""},
    {"", "(.*a){20}", 1, ""},
    {"", "(.*a){200}", 1, ""},
    {"", "^(([a-z])+.)+[A-Z]([a-z])+$", 1, ""},
    {"", "(.*)", 30, "x"},
    {"", "([^,]*,)", 60, "P"},
    {"", "a?", 1000, ""},
    {"", "a?", 30000, "b"},
    {"", "a*", 30000, "b"},
    {"", "(a|b)*a(a|b){999}", 1, ""},
    {"", "(a|b)*a(a|b){150}", 1, ""},
    {"", "(?:a|b)*a(?:a|b){250}", 1, ""},
    {".*a", "[ab]", 500, ""},
    {"", ".*a.{50}", 1, ""},
    {"", ".*a.{110}b.*", 1, ""},
    {"", ".*a[a-b]{290}", 1, ""},
    {"", ".*[^x]{0,80}y", 1, ""},
    {"", ".*[ab]{20}b", 1, ""},
    {"", ".*a[ab]{14}b.*c[cd]{12}d", 1, ""},
    {"", "(.{0,100}a){10}", 1, ""},
    {"", "(.{0,7}a){7}", 1, ""},
    {"", "((a{1,30}){1,30})b", 1, ""},
    {"", "(((a{1,9}){1,9}){1,9})b", 1, ""},
    {"", "(a{1000}){1000}", 1, ""},
    {"", "((((a{100}){100}){100}){100})", 1, ""},
    {"", "(?:a?){1000}", 1, ""},
    {"", "(?:.?){1000}", 1, ""},
    {"", "(?:a{0,9}){100}c", 1, ""},
    {"", "a{1000}b{1000}", 1, ""},
    {"", ".{1000}", 1, ""},
    {"", "[^x]{1000}", 1, "x"},
    {".*", "[^x]{0,60}", 1, "y"},
    {"", "w#x|", 9000, "z"},
    {".*(", "w#x|", 9000, "z).*"},
    {".*(", "w#x|", 90, "z).*"},
    {"(?i).*(", "w#x|", 90, "z).*"},
    {"(", "w#x|", 4000, "z).+a.+"},
    {"(?i)", "straße#ſk|", 4000, ""},
    {"(", "a|", 30000, "a)*b"},
    {"[", "\\x{1#}", 5000, "]+"},
    {"[^", "a-z", 15000, "]+"},
    {"(?i)[", "\\x{1#}-\\x{ffff}", 3000, "]+"},
    {"", "\\pL", 21000, ""},
    {"", "\\pL", 80, ""},
    {"", "(?i)\\pL", 8000, ""},
    {"", "\\PL\\pL", 40, ""},
    {"", "[\\pL\\pN\\pP\\pS\\pZ]", 3000, ""},
    {"", "\\pL{100}", 1, ""},
    {"", "(\\pL+\\s*)+$", 1, ""},
    {"", ".*\\pL{8}", 1, ""},
    {"", ".*\\pL{33}", 1, ""},
    {"", "\\D", 30000, ""},
    {"", "\\W", 12000, ""},
    {"", "[^\\n]", 9000, ""},
    {"", "[^a]", 16000, ""},
    {"", ".", 60000, ""},
    {"(?i)", "k", 60000, ""},
    {"(?i)", "[ks]", 16000, ""},
    {"(?i)", "[à-ý]", 8000, ""},
    {"(?i).*k", "k", 300, ""},
    {"", "(", 900, "a"},
    {"", "(", 200, "a"},
    {"", "(?:", 200, "a*"},
    {"", "[", 60000, ""},
    {"", "(?P<n#>a)", 5000, ""},
    {"", "(a)", 20000, ""},
    {"", "\\b", 30000, "a"},
    {"(?:", "\\b|\\B|^|$|", 5000, "a)*b"},
    {"", "(?m)^(?:", 200, ""},
    {"(?:", "(?:^|a)+", 2000, ")*b"},
    {"", "\\Qa|b", 12000, ""},
};
enum { BOMBS = sizeof bombs / sizeof *bombs };
_Static_assert((int)BOMBS >= (int)BOMBS_MIN, "too few bombs");

static struct {
	int refused, compiled;
	double value_ms, byte_ns, compile_ms;
	size_t bytes;
	char dearest[32];
} reached;

static double cpu_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void build(const struct bomb *b, struct buf *out)
{
	buf_reset(out);
	buf_str(out, b->before);
	for (int i = 0; i < b->times; i++) {
		for (const char *c = b->unit; *c != '\0'; c++) {
			if (*c == '#')
				buf_printf(out, "%d", i * 7919 % 10007);
			else
				buf_byte(out, *c);
		}
	}
	buf_str(out, b->after);
	/* Of those that open groups alone. */
	if (b->times > 1 && b->unit[0] == '(' && strchr(b->unit, ')') == NULL) {
		for (int i = 0; i < b->times; i++)
			buf_str(out, ")*");
	} else if (strcmp(b->unit, "(?m)^(?:") == 0) {
		for (int i = 0; i < b->times; i++)
			buf_byte(out, ')');
	}
	if (buf_failed(out))
		row_failed(&row, "out of memory for a pattern");
}

/* ---- values ---- */

enum { VALUES = 10 };

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void add_rune(struct buf *out, uint32_t rune)
{
	char utf8[3] = {(char)(0xe0 | rune >> 12), (char)(0x80 | (rune >> 6 & 63)), (char)(0x80 | (rune & 63))};
	buf_append(out, utf8, 3);
}

/* `size` bytes of UTF-8 at most, of a kind. */
static struct slice value_of(int kind, size_t size, uint32_t seed, struct buf *out)
{
	static const char *const alphabets[] = {"a", "ab", "aaaaaaab", "x", "abcdwx0123456789", "Kks"};
	enum { ALPHABETS = sizeof alphabets / sizeof *alphabets };
	buf_reset(out);
	while (out->len + 8 <= size) {
		uint32_t r = next_random(&seed);
		if (kind < ALPHABETS)
			buf_byte(out, alphabets[kind][r % strlen(alphabets[kind])]);
		else if (kind == 6) /* letters of all alphabets */
			add_rune(out, 0x800 + r % 0x9000);
		else if (kind == 7) /* words that nearly are among the alternatives */
			buf_printf(out, "w%u%s", r % 10007, r % 3 == 0 ? "x" : "");
		else if (kind == 8) /* all that ASCII has */
			buf_byte(out, (char)(r % 128));
		else
			r % 2 == 0 ? buf_byte(out, 'a') : add_rune(out, 0x800 + r % 0x9000);
	}
	while (out->len < size)
		buf_byte(out, kind == 3 ? 'x' : 'a');
	if (buf_failed(out))
		row_failed(&row, "out of memory for a value");
	return buf_slice(out);
}

/* ---- what it costs ---- */

typedef int (*match_fn)(const void *with, struct slice value);

static int by_regex(const void *with, struct slice value)
{
	return regex_matches(with, value);
}

static int by_search(const void *with, struct slice value)
{
	return regex_search(with, value, 0, NULL);
}

static int by_matcher(const void *with, struct slice value)
{
	return matcher_matches(with, value);
}

/* The CPU time of one value; the machine may be busy: the least of some runs when it is over the bound. */
static double cost_ms(const char *name, match_fn match, const void *with, struct slice value, double bound)
{
	double least = 1e9;
	for (int i = 0; i < TRIES && least > bound; i++) {
		double began = cpu_ms();
		int code = match(with, value);
		double spent = cpu_ms() - began;
		if (code < 0)
			row_failed(&row, "%s: %s", name, strerror(-code));
		least = spent < least ? spent : least;
	}
	return least;
}

static void match_all(const char *name, match_fn match, const void *with)
{
	static struct buf text;
	int seeds = row_long() ? 8 : 1;
	double worst_value = 0, worst_byte = 0;
	for (int kind = 0; kind < VALUES; kind++) {
		for (uint32_t seed = 1; seed <= (uint32_t)seeds; seed++) {
			struct slice value = value_of(kind, LABEL_VALUE_BYTES_MAX, seed, &text);
			double ms = cost_ms(name, match, with, value, VALUE_MS);
			worst_value = ms > worst_value ? ms : worst_value;
			value = value_of(kind, LONG_TEXT, seed, &text);
			double ns =
			    1e6 / LONG_TEXT *
			    cost_ms(name, match, with, value, (double)VALUE_MS * LONG_TEXT / LABEL_VALUE_BYTES_MAX);
			worst_byte = ns > worst_byte ? ns : worst_byte;
		}
	}
	if (getenv("TORTURE_VERBOSE") != NULL)
		fprintf(stderr, "    %-32s %7.2f ms a value, %8.1f ns a byte of 64 KiB\n", name, worst_value,
		        worst_byte);
	if (!SANITIZED && (worst_value > VALUE_MS || worst_byte * LABEL_VALUE_BYTES_MAX > VALUE_MS * 1e6))
		row_failed(&row, "%s: %.1f ms a value, %.0f ns a byte of a long text; at most %d ms a value", name,
		           worst_value, worst_byte, VALUE_MS);
	reached.byte_ns = worst_byte > reached.byte_ns ? worst_byte : reached.byte_ns;
	if (worst_value > reached.value_ms) {
		reached.value_ms = worst_value;
		snprintf(reached.dearest, sizeof reached.dearest, "%s", name);
	}
}

static void refused(const char *name, const struct error *err)
{
	reached.refused++;
	if ((err->code != -E2BIG && err->code != -EINVAL) || err->text[0] == '\0')
		row_failed(&row, "%s: refused with %d and \"%s\"", name, err->code, err->text);
	if (getenv("TORTURE_VERBOSE") != NULL)
		fprintf(stderr, "    %-32s %.110s\n", name, err->text);
}

static void run_regex(const char *name, struct slice pattern, enum regex_use use)
{
	struct error err = {0};
	size_t before = live;
	double began = cpu_ms();

	peak = live;
	struct regex *re = regex_new(pattern, use, &err);
	double spent = cpu_ms() - began;
	reached.compile_ms = spent > reached.compile_ms ? spent : reached.compile_ms;
	if (re == NULL) {
		refused(name, &err);
	} else {
		reached.compiled++;
		match_all(name, use == REGEX_MATCH ? by_regex : by_search, re);
	}
	size_t bytes = peak - before;
	reached.bytes = bytes > reached.bytes ? bytes : reached.bytes;
	if (getenv("TORTURE_VERBOSE") != NULL)
		fprintf(stderr, "%-36s %7.1f ms to compile, %8.2f MiB\n", name, spent, (double)bytes / (1 << 20));
	if (bytes > REGEX_MEMORY_BYTES)
		row_failed(&row, "%s: %.2f MiB; at most %d are wanted", name, (double)bytes / (1 << 20),
		           REGEX_MEMORY_BYTES >> 20);
	regex_free(re);
}

static void run_matcher(const char *name, struct slice pattern)
{
	struct error err = {0};
	struct matcher *m = matcher_new(MATCH_REGEX, SLICE("name"), pattern, &err);
	if (m == NULL)
		refused(name, &err);
	else
		match_all(name, by_matcher, m);
	matcher_free(m);
}

int main(void)
{
	struct buf pattern = {0};
	char name[32];

	for (int i = 0; i < (int)BOMBS; i++) {
		build(&bombs[i], &pattern);
		snprintf(name, sizeof name, "%s%s x %d", bombs[i].before, bombs[i].unit, bombs[i].times);
		run_regex(name, buf_slice(&pattern), REGEX_MATCH);
		run_regex(name, buf_slice(&pattern), REGEX_SEARCH);
		run_matcher(name, buf_slice(&pattern));
	}
	buf_free(&pattern);
	if (SANITIZED)
		return row_held(&row, "%d bombs, %d compiled, time and memory not measured", (int)BOMBS,
		                reached.compiled);
	return row_held(
	    &row, "%d bombs: at most %.1f ms a value (%s), %.0f ns a byte of 64 KiB, %.1f MiB, %.0f ms to compile",
	    (int)BOMBS, reached.value_ms, reached.dearest, reached.byte_ns, (double)reached.bytes / (1 << 20),
	    reached.compile_ms);
}
