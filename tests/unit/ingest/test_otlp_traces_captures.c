/* The spans of real SDKs, where they are kept: each body is taken whole, and what is counted in it is counted by an eye that knows nothing of spans: how often the words stand in its JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "captures.h"
#include "ingest/ingest.h"

typedef int decoder(struct batch *b, struct slice body, const struct ingest_span_limits *limits,
                    struct ingest_rejects *rejects, struct error *err);

/* All records of a body as text. What is counted is counted in it. */
static struct buf decode(decoder *how, struct slice body, const char *name)
{
	struct ingest_span_limits limits;
	struct ingest_rejects rejects = {0};
	struct error err = {0};
	struct buf text = {0};
	struct batch *b = batch_new();

	assert_non_null(b);
	ingest_span_limits_default(&limits);
	if (how(b, body, &limits, &rejects, &err) != 0)
		fail_msg("%s: %s", name, err.text);
	assert_int_equal(rejects.count + rejects.unlisted, 0);
	for (uint32_t i = 0; i < b->count; i++) {
		assert_int_equal(b->records[i].kind, RECORD_SPAN);
		record_json(&text, &b->records[i]);
		buf_byte(&text, '\n');
	}
	buf_byte(&text, '\0');
	assert_false(buf_failed(&text));
	batch_free(b);
	return text;
}

static uint32_t occurrences(const char *text, const char *word)
{
	uint32_t count = 0;
	for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
		count++;
	return count;
}

/* JSON without the white space between its words, to be searched. */
static char *tight(struct slice json)
{
	char *out = calloc(1, json.len + 1);
	bool quoted = false;
	size_t n = 0;
	assert_non_null(out);
	for (size_t i = 0; i < json.len; i++) {
		char c = json.ptr[i];
		if (c == '"' && (i == 0 || json.ptr[i - 1] != '\\'))
			quoted = !quoted;
		if (quoted || (c != ' ' && c != '\n'))
			out[n++] = c;
	}
	return out;
}

/* The members of the objects at `from` that is called `attributes`, not those in objects within: {"a":1,"b":{…}}. */
static uint32_t members(const char *at)
{
	uint32_t count = 0, depth = 0;
	bool quoted = false;
	for (;; at++) {
		if (quoted && *at == '\\') {
			at++;
			continue;
		}
		if (*at == '"')
			quoted = !quoted;
		if (quoted)
			continue;
		depth += *at == '{' || *at == '[';
		count += *at == ':' && depth == 1;
		if ((*at == '}' || *at == ']') && --depth == 0)
			return count;
	}
}

/* Attributes of spans, their events and links: all that a body has but those of resources and scopes. */
static uint32_t attributes_decoded(const char *text)
{
	uint32_t count = 0;
	for (const char *at = strstr(text, ",\"attributes\":{"); at != NULL; at = strstr(at + 1, ",\"attributes\":{"))
		count += members(strchr(at, '{'));
	return count;
}

static void check_body(const char *folder, const char *json_name, const char *wire_name)
{
	struct slice json = captures_read(folder, json_name);
	assert_non_null(json.ptr);
	char *sent = tight(json);
	if (strstr(sent, "\"resourceSpans\":") == NULL) { /* the client sent metrics too */
		free(sent);
		free((void *)(uintptr_t)json.ptr);
		return;
	}
	struct buf text = decode(ingest_otlp_traces_json, json, folder);
	assert_int_equal(occurrences(text.ptr, "\"type\":\"span\""), occurrences(sent, "\"startTimeUnixNano\":"));
	assert_int_equal(occurrences(text.ptr, "\"parent_span_id\":"),
	                 occurrences(sent, "\"parentSpanId\":\"") - occurrences(sent, "\"parentSpanId\":\"\""));
	uint32_t resource = 0;
	for (const char *at = strstr(sent, "\"resource\":{"); at != NULL; at = strstr(at + 1, "\"resource\":{")) {
		const char *end = strstr(at, "scopeSpans");
		for (const char *key = strstr(at, "\"key\":"); key != NULL && key < end;
		     key = strstr(key + 1, "\"key\":"))
			resource++;
	}
	uint32_t keys = occurrences(sent, "\"key\":");
	assert_true(attributes_decoded(text.ptr) > 0);
	if (strstr(sent, "kvlistValue") == NULL)
		assert_int_equal(attributes_decoded(text.ptr), keys - resource);
	if (wire_name != NULL) {
		struct slice wire = captures_read(folder, wire_name);
		assert_non_null(wire.ptr);
		struct buf same = decode(ingest_otlp_traces_protobuf, wire, folder);
		assert_string_equal(same.ptr, text.ptr);
		buf_free(&same);
		free((void *)(uintptr_t)wire.ptr);
	}
	buf_free(&text);
	free(sent);
	free((void *)(uintptr_t)json.ptr);
}

/* Goes over a client's folder: NNN.json, which was sent, or NNN.bin, which was, beside NNN.decoded.json, which another reader made of it. */
static uint32_t check_client(const char *client)
{
	char folder[2048], json[64], wire[64];
	uint32_t bodies = 0;
	if (!captures_folder(folder, sizeof folder, client))
		return 0;
	for (;; bodies++) {
		snprintf(json, sizeof json, "%03u.json", bodies + 1);
		struct slice sent = captures_read(folder, json);
		bool is_json = sent.ptr != NULL;
		free((void *)(uintptr_t)sent.ptr);
		if (!is_json) {
			snprintf(json, sizeof json, "%03u.decoded.json", bodies + 1);
			sent = captures_read(folder, json);
			if (sent.ptr == NULL)
				return bodies;
			free((void *)(uintptr_t)sent.ptr);
		}
		snprintf(wire, sizeof wire, "%03u.bin", bodies + 1);
		check_body(folder, json, is_json ? NULL : wire);
	}
}

static void bodies(void **state)
{
	static const char *const clients[] = {
	    "otel-js-v3-json-gzip-traces",
	    "otel-js-v3-json-none-traces",
	    "otel-js-v3-proto-none-traces",
	    "ai-sdk-v7-json-embed",
	    "ai-sdk-v7-json-model-error",
	    "ai-sdk-v7-json-multistep",
	    "ai-sdk-v7-json-stream",
	    "ai-sdk-v7-proto-embed",
	    "ai-sdk-v7-proto-model-error",
	    "ai-sdk-v7-proto-multistep",
	    "ai-sdk-v7-proto-stream",
	    "openllmetry-json-anthropic",
	    "openllmetry-json-anthropic-error",
	    "openllmetry-json-openai-embeddings-responses",
	    "openllmetry-json-workflow",
	    "openllmetry-proto-anthropic",
	    "openllmetry-proto-workflow",
	};
	char folder[2048];
	(void)state;
	if (!captures_folder(folder, sizeof folder, clients[0])) {
		print_message("no captures beside the repository: test_otlp_traces.c has bodies made here\n");
		return;
	}
	for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) {
		if (check_client(clients[i]) == 0)
			fail_msg("%s has no bodies", clients[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bodies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
