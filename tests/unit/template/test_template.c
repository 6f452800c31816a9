/* The language, against what Go's text/template gives, and Prometheus's functions. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "template/template.h"

static const struct template_pair label_pairs[] = {
    {SLICE("instance"), {.type = TEMPLATE_STRING, .text = {"www.example.com:9090", 20}}},
    {SLICE("job"), {.type = TEMPLATE_STRING, .text = {"a<b>&\"c\"", 8}}},
};
static const struct template_map labels = {
    .pairs = label_pairs, .count = 2, .absent = {.type = TEMPLATE_STRING, .text = {"", 0}}};

static const struct template_value numbers[] = {
    {.type = TEMPLATE_INT, .integer = 1},
    {.type = TEMPLATE_INT, .integer = 2},
    {.type = TEMPLATE_INT, .integer = 3},
};

static const struct template_pair sample_pairs[2][2] = {
    {{SLICE("Labels"), {.type = TEMPLATE_MAP, .map = &labels}},
     {SLICE("Value"), {.type = TEMPLATE_FLOAT, .number = 1.5}}},
    {{SLICE("Labels"), {.type = TEMPLATE_MAP, .map = &labels}},
     {SLICE("Value"), {.type = TEMPLATE_FLOAT, .number = 2}}},
};
static const struct template_map sample_maps[2] = {
    {.name = "*template.sample", .pairs = sample_pairs[0], .count = 2},
    {.name = "*template.sample", .pairs = sample_pairs[1], .count = 2},
};
static const struct template_value samples[2] = {
    {.type = TEMPLATE_MAP, .map = &sample_maps[0]},
    {.type = TEMPLATE_MAP, .map = &sample_maps[1]},
};

static int method_join(struct template_call *call, const struct template_value *args, uint32_t count,
                       struct template_value *out)
{
	struct buf text = {0};
	for (uint32_t i = 0; i < args[0].map->count; i++) {
		if (i > 0 && count > 1)
			buf_slice_append(&text, args[1].text);
		buf_slice_append(&text, args[0].map->pairs[i].key);
	}
	return template_take(call, &text, out);
}

static const struct template_function methods[] = {{"Join", method_join, 0, 1}};

static const struct template_pair data_pairs[] = {
    {SLICE("Labels"), {.type = TEMPLATE_MAP, .map = &labels}},
    {SLICE("Value"), {.type = TEMPLATE_FLOAT, .number = 0.123456789}},
    {SLICE("Numbers"), {.type = TEMPLATE_LIST, .list = {numbers, 3}}},
    {SLICE("Samples"), {.type = TEMPLATE_LIST, .list = {samples, 2}}},
    {SLICE("Empty"), {.type = TEMPLATE_LIST, .list = {NULL, 0}}},
    {SLICE("Nothing"), {.type = TEMPLATE_NIL}},
    {SLICE("Yes"), {.type = TEMPLATE_BOOL, .boolean = true}},
    {SLICE("Count"), {.type = TEMPLATE_INT, .integer = 42}},
    {SLICE("At"), {.type = TEMPLATE_TIME, .integer = 1435065584128000000}},
    {SLICE("For"), {.type = TEMPLATE_DURATION, .integer = 3723500000000}},
};
static const struct template_map data_map = {
    .name = "main.data", .pairs = data_pairs, .count = sizeof data_pairs / sizeof *data_pairs, .methods = {methods, 1}};
static const struct template_value data = {.type = TEMPLATE_MAP, .map = &data_map};

/* Runs a text; the result or the error's text in `out`, which is terminated. Returns the code. */
static int run(const char *text, bool html, struct buf *out)
{
	static const struct template_functions *const packs[] = {&template_prometheus};
	struct template_set *set = template_set_new(packs, 1);
	struct error err = {0};
	const struct template_run how = {.html = html, .max_bytes = 100000, .max_steps = 100000};

	assert_non_null(set);
	int code = template_set_parse(set, SLICE("t"), slice_cstr(text), &err);
	if (code == 0)
		code = template_execute(set, SLICE("t"), &data, &how, out, &err);
	if (code != 0) {
		buf_reset(out);
		buf_str(out, err.text);
	}
	buf_byte(out, '\0');
	template_set_free(set);
	return code;
}

struct example {
	const char *text, *wanted;
};

static void check_all(const struct example *examples, size_t count, bool fails)
{
	for (size_t i = 0; i < count; i++) {
		struct buf out = {0};
		int code = run(examples[i].text, false, &out);
		if (fails != (code != 0) || strcmp(out.ptr, examples[i].wanted) != 0)
			fail_msg("%s\n   gives %d: %s\n  wanted: %s", examples[i].text, code, out.ptr,
			         examples[i].wanted);
		buf_free(&out);
	}
}

static void what_templates_give(void **state)
{
	static const struct example examples[] = {
	    {"", ""},
	    {"plain {text} }} {", "plain {text} }} {"},
	    {"{{.Count}} {{.Yes}} {{.Value}}", "42 true 0.123456789"},
	    {"{{/* nothing */}}a{{- /* nothing */ -}} b", "ab"},
	    {"a  {{- 1 -}}  \n b {{- 2}} c", "a1b2 c"},
	    {"{{-3}}", "-3"},
	    {"{{ \"a\\tb\\u00e9\\x41\\\"\" }} {{`raw \\n`}} {{'x'}} {{'\\n'}}", "a\tb\u00e9A\" raw \\n 120 10"},
	    {"{{0x1f}} {{1_000}} {{1e3}} {{1.5}} {{0b101}} {{0o17}} {{017}}", "31 1000 1000 1.5 5 15 15"},
	    {"{{.Labels.job}} {{.Labels.none}}|{{.Nothing}}|{{index .Labels \"none\"}}", "a<b>&\"c\" |<no value>|"},
	    {"{{.Labels}} {{.Numbers}} {{index .Samples 0}}",
	     "map[instance:www.example.com:9090 job:a<b>&\"c\"] [1 2 3] {map[instance:www.example.com:9090 "
	     "job:a<b>&\"c\"] 1.5}"},
	    {"{{.At}} {{.For}}", "2015-06-23 13:19:44.128 +0000 UTC 1h2m3.5s"},
	    {"{{if .Yes}}y{{else}}n{{end}}{{if .Empty}}y{{else if .Count}}c{{else}}n{{end}}", "yc"},
	    {"{{if not .Yes}}y{{else if eq .Count 1}}1{{else if eq .Count 42}}2{{end}}", "2"},
	    {"{{with .Labels}}{{.job}}{{end}}{{with .Empty}}x{{else}}-{{end}}{{with $x := .Count}}{{$x}}{{end}}",
	     "a<b>&\"c\"-42"},
	    {"{{range .Numbers}}{{.}},{{end}}{{range .Empty}}x{{else}}none{{end}}", "1,2,3,none"},
	    {"{{range $i, $n := .Numbers}}{{$i}}={{$n}} {{end}}", "0=1 1=2 2=3 "},
	    {"{{range $k, $v := .Labels}}{{$k}} {{end}}{{range $v := .Numbers}}{{$v}}{{$.Count}} {{end}}",
	     "instance job 142 242 342 "},
	    {"{{range .Numbers}}{{if eq . 2}}{{continue}}{{end}}{{.}}{{end}}", "13"},
	    {"{{range .Numbers}}{{if eq . 2}}{{break}}{{end}}{{.}}{{end}}", "1"},
	    {"{{range 3}}{{.}}{{end}}", "012"},
	    {"{{$x := 1}}{{range .Numbers}}{{$x = .}}{{end}}{{$x}}", "3"},
	    {"{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"},
	    {"{{define \"a\"}}[{{.}}]{{end}}{{template \"a\" .Count}}{{template \"a\"}}", "[42][<no value>]"},
	    {"{{block \"b\" .Count}}<{{.}}>{{end}}", "<42>"},
	    {"{{define \"r\"}}{{if gt . 0}}{{.}}{{template \"r\" (slice \"ab\" 0 0 | len)}}{{end}}{{end}}{{template "
	     "\"r\" 5}}",
	     "5"},
	    {"{{.Join}} {{.Join \"-\"}} {{\"+\" | .Join}}",
	     "LabelsValueNumbersSamplesEmptyNothingYesCountAtFor "
	     "Labels-Value-Numbers-Samples-Empty-Nothing-Yes-Count-At-For "
	     "Labels+Value+Numbers+Samples+Empty+Nothing+Yes+Count+At+For"},
	    {"{{and 1 0 2}} {{and 1 2}} {{or 0 \"\" 3}} {{or 0 \"\"}}|{{not 0}} {{and true (or false .Yes)}}",
	     "0 2 3 |true true"},
	    {"{{or true (index .Empty 5)}} {{and false (index .Empty 5)}}", "true false"},
	    {"{{eq 1 1}} {{eq 1 2 3 1}} {{ne \"a\" \"b\"}} {{lt 1 2}} {{le 2 2}} {{gt 1.5 1.0}} {{ge \"b\" \"a\"}}",
	     "true true true true true true true"},
	    {"{{len \"abc\"}} {{len .Numbers}} {{len .Labels}} {{index .Numbers 1}} {{index \"abc\" 1}} {{slice "
	     "\"abcd\" 1 3}} {{slice .Numbers 1}}",
	     "3 3 2 2 98 bc [2 3]"},
	    {"{{print 1 2 \"a\" \"b\" 3}}|{{println \"x\" 1}}|{{.Count | printf \"%d-%s\" 7 | len}}",
	     "1 2ab3|x 1\n|13"},
	    {"{{printf \"%5d|%-5d|%05d|%+d|%x|%X|%o|%b|%c|%U|%q\" 42 42 42 42 255 255 8 5 65 65 65}}",
	     "   42|42   |00042|+42|ff|FF|10|101|A|U+0041|'A'"},
	    {"{{printf \"%.2f|%6.1f|%e|%g|%v|%08.3f|%+.1f\" 3.14159 2.55 1500.0 0.00001 1e6 3.14159 2.0}}",
	     "3.14|   2.5|1.500000e+03|1e-05|1e+06|0003.142|+2.0"},
	    {"{{printf \"%s|%10s|%-6s|%.2s|%q|%x|%v|%T|%t|%%\" \"a\" \"b\" \"c\" \"déf\" \"q\\\"\\n\" \"hi\" \"v\" 1.5 "
	     "true}}",
	     "a|         b|c     |dé|\"q\\\"\\n\"|6869|v|float64|true|%"},
	    {"{{printf \"%d\" \"x\"}} {{printf \"%s\" 1.5}} {{printf \"%d\" .Value}} {{printf \"%d %d\" 1}} {{printf "
	     "\"x\" 1 \"a\"}} {{printf \"%\"}}",
	     "%!d(string=x) %!s(float64=1.5) %!d(float64=0.123456789) 1 %!d(MISSING) x%!(EXTRA int=1, string=a) "
	     "%!(NOVERB)"},
	    {"{{html \"<a href='x'>&\"}} {{urlquery \"a b&c/é\"}} {{js \"it's <b>\"}}",
	     "&lt;a href=&#39;x&#39;&gt;&amp; a+b%26c%2F%C3%A9 it\\'s \\u003Cb\\u003E"},
	    {"{{(index .Samples 1).Value}} {{(.Labels).job | len}} {{$.Labels.job | len}}", "2 8 8"},
	};
	(void)state;
	check_all(examples, sizeof examples / sizeof *examples, false);
}

static void what_they_refuse(void **state)
{
	static const struct example examples[] = {
	    {"a\n{{.Foo", "template: t:2: unclosed action"},
	    {"{{if .Yes}}x", "template: t:1: unexpected EOF"},
	    {"{{end}}", "template: t:1: unexpected {{end}}"},
	    {"{{else}}", "template: t:1: unexpected {{else}}"},
	    {"{{foo 1}}", "template: t:1: function \"foo\" not defined"},
	    {"{{$x}}", "template: t:1: undefined variable \"$x\""},
	    {"{{if true}}{{$x := 1}}{{end}}{{$x}}", "template: t:1: undefined variable \"$x\""},
	    {"{{$x = 1}}", "template: t:1: undefined variable \"$x\""},
	    {"{{break}}", "template: t:1: {{break}} outside {{range}}"},
	    {"{{\"abc}}", "template: t:1: unterminated quoted string"},
	    {"{{`abc}}", "template: t:1: unterminated raw quoted string"},
	    {"{{/* x}}", "template: t:1: unclosed comment"},
	    {"{{(1}}", "template: t:1: unclosed left paren"},
	    {"{{1)}}", "template: t:1: unexpected right paren"},
	    {"{{}}", "template: t:1: missing value for command"},
	    {"{{1 | 2}}", "template: t:1: non executable command in pipeline stage 2"},
	    {"{{if true}}{{define \"x\"}}{{end}}{{end}}", "template: t:1: unexpected {{define}}"},
	    {"{{1.2.3}}", "template: t:1: bad number syntax: \"1.2.3\""},
	    {"{{1a}}", "template: t:1: bad number syntax: \"1a\""},
	    {"{{.Foo}}", "template: t:1:2: executing \"t\" at <.Foo>: can't evaluate field Foo in type main.data"},
	    {"x{{.Count.Foo}}",
	     "template: t:1:3: executing \"t\" at <.Count.Foo>: can't evaluate field Foo in type int"},
	    {"{{.Nothing.Foo}}",
	     "template: t:1:2: executing \"t\" at <.Nothing.Foo>: nil pointer evaluating interface {}.Foo"},
	    {"\n {{lt 1 \"a\"}}",
	     "template: t:2:3: executing \"t\" at <lt>: error calling lt: incompatible types for comparison"},
	    {"{{index .Numbers 9}}",
	     "template: t:1:2: executing \"t\" at <index>: error calling index: index out of range: 9"},
	    {"{{len 3}}", "template: t:1:2: executing \"t\" at <len>: error calling len: len of type int"},
	    {"{{not}}", "template: t:1:2: executing \"t\" at <not>: wrong number of args for not: want 1 got 0"},
	    {"{{.Count 1}}",
	     "template: t:1:2: executing \"t\" at <.Count>: Count has arguments but cannot be invoked as function"},
	    {"{{1 2}}", "template: t:1:2: executing \"t\" at <1>: can't give argument to non-function 1"},
	    {"{{nil}}", "template: t:1:2: executing \"t\" at <nil>: nil is not a command"},
	    {"{{range .Count | printf \"%d\"}}{{end}}",
	     "template: t:1:8: executing \"t\" at <.Count | printf \"%d\">: range can't iterate over 42"},
	    {"{{template \"none\"}}", "template: t:1:2: executing \"t\" at <none>: template \"none\" not defined"},
	    {"{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}",
	     "template: t:1:16: executing \"a\" at <a>: exceeded maximum template depth (100)"},
	    {"{{range 1000000000}}{{end}}", "template: t: takes too many steps"},
	    {"{{range 50000}}abcdefghijklmnopqrstuvwxyz{{end}}", "template: t: gives more than 100000 bytes"},
	    {"{{first .Empty}}", "template: t:1:2: executing \"t\" at <first>: error calling first: first() called on "
	                         "vector with no elements"},
	};
	(void)state;
	check_all(examples, sizeof examples / sizeof *examples, true);
}

static void what_prometheus_adds(void **state)
{
	static const struct example examples[] = {
	    {"{{humanize 0.0}} {{humanize 1.0}} {{humanize 1234567.0}} {{humanize 0.12}} {{humanize -1500}} {{humanize "
	     "\"1e9\"}}",
	     "0 1 1.235M 120m -1.5k 1G"},
	    {"{{humanize1024 0}} {{humanize1024 1048576.0}} {{humanize1024 \"12\"}}", "0 1Mi 12"},
	    {"{{humanizeDuration 0}} {{humanizeDuration 1.5}} {{humanizeDuration 60}} {{humanizeDuration 3600}} "
	     "{{humanizeDuration 86400}} {{humanizeDuration 93784}} {{humanizeDuration -90}} {{humanizeDuration .1}} "
	     "{{humanizeDuration \"0.000001\"}}",
	     "0s 1.5s 1m 0s 1h 0m 0s 1d 0h 0m 0s 1d 2h 3m 4s -1m 30s 100ms 1us"},
	    {"{{humanizePercentage 0.1234567}} {{0.9 | humanizePercentage}}", "12.35% 90%"},
	    {"{{humanizeTimestamp 1435065584.128}} {{humanizeTimestamp 0}}",
	     "2015-06-23 13:19:44.128 +0000 UTC 1970-01-01 00:00:00 +0000 UTC"},
	    {"{{title \"aa bb cc\"}} {{toUpper \"aé\"}} {{toLower \"ABC\"}}", "Aa Bb Cc Aé abc"},
	    {"{{match \"b+\" \"abbc\"}} {{match \"^b\" \"ab\"}}", "true false"},
	    {"{{reReplaceAll \"a(.)\" \"[$1]\" \"abacad\"}} {{reReplaceAll \"x*\" \"-\" \"abc\"}} {{reReplaceAll "
	     "\"(b)|(c)\" \"<$1$2>\" \"abc\"}}",
	     "[b][c][d] -a-b-c- a<b><c>"},
	    {"{{stripPort \"a.b:80\"}} {{stripPort \"[::1]:80\"}} {{stripPort \"a\"}} {{stripDomain \"www.a.com:80\"}} "
	     "{{stripDomain \"10.0.0.1:80\"}}",
	     "a.b ::1 a www:80 10.0.0.1:80"},
	    {"{{parseDuration \"1h30m\"}} {{toDuration 90}} {{(toTime 0)}}",
	     "5400 1m30s 1970-01-01 00:00:00 +0000 UTC"},
	    {"{{with first .Samples}}{{value .}} {{label \"instance\" .}} {{.Labels.instance}}{{end}} {{.Samples | "
	     "first | value}}",
	     "1.5 www.example.com:9090 www.example.com:9090 1.5"},
	    {"{{range sortByLabel \"job\" .Samples}}{{.Value}} {{end}}{{strvalue (first .Samples)}}", "1.5 2 "},
	    {"{{define \"x\"}}{{.arg0}}+{{.arg1}}{{end}}{{template \"x\" (args 1 \"b\")}}", "1+b"},
	    {"{{graphLink \"up{a=\\\"b\\\"}\"}} {{tableLink \"x\"}}",
	     "/graph?g0.expr=up%7Ba%3D%22b%22%7D&g0.tab=0 /graph?g0.expr=x&g0.tab=1"},
	};
	(void)state;
	check_all(examples, sizeof examples / sizeof *examples, false);
}

static void html_is_escaped(void **state)
{
	struct buf out = {0};
	(void)state;
	assert_int_equal(run("<b>{{.Labels.job}}</b>{{safeHtml \"<i>\"}}{{html \"<\"}}", true, &out), 0);
	assert_string_equal(out.ptr, "<b>a&lt;b&gt;&amp;&#34;c&#34;</b><i>&lt;");
	buf_free(&out);
}

/* Every Nth allocation fails: an error, no crash, no leak (ASan). */
static void memory_may_be_out(void **state)
{
	static const char text[] = "{{range .Numbers}}{{printf \"%d\" .}}{{end}}{{define \"a\"}}{{reReplaceAll \"a\" "
	                           "\"b\" \"a\"}}{{end}}{{template \"a\"}}";
	static const struct template_functions *const packs[] = {&template_prometheus};
	(void)state;
	bool done = false;
	for (uint64_t n = 1; !done && n < 10000; n++) {
		struct buf out = {0};
		struct error err = {0};
		const struct template_run how = {0};
		uint64_t before = fault_hits(FAULT_MALLOC);
		fault_set(FAULT_MALLOC, n, false, ENOMEM);
		struct template_set *set = template_set_new(packs, 1);
		int code = set == NULL ? -ENOMEM : template_set_parse(set, SLICE("t"), SLICE(text), &err);
		if (code == 0)
			code = template_execute(set, SLICE("t"), &data, &how, &out, &err);
		template_set_free(set);
		done = fault_hits(FAULT_MALLOC) - before < n;
		fault_clear();
		if (code == 0)
			assert_memory_equal(out.ptr, "123b", 4);
		else
			assert_true(code == -ENOMEM || code == -EINVAL || code == -E2BIG);
		buf_free(&out);
	}
	assert_true(done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_templates_give),  cmocka_unit_test(what_they_refuse),
	    cmocka_unit_test(what_prometheus_adds), cmocka_unit_test(html_is_escaped),
	    cmocka_unit_test(memory_may_be_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
