/* RE2 behind C. Nothing that C++ throws leaves this file: memory that is out is all there can be, and an error like any other. */
#include <re2/re2.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>

extern "C" {
#include "base/mem.h"
#include "base/regex.h"
#include "base/regex_bounds.h"
#include "base/utf8.h"
}

namespace
{

/* RE2 gives two thirds of this to a program and the rest to its automata. What its parser (regex_bounds.c) and its compiler take meanwhile comes on top: REGEX_MEMORY_BYTES in all. */
constexpr int64_t RE2_BYTES = 640 * 1024;

constexpr size_t SAID_BYTES_MAX = 200; /* of a pattern in an error */

re2::StringPiece piece(struct slice s)
{
	return re2::StringPiece(s.len != 0 ? s.ptr : "", s.len);
}

/* The same in the text that the caller has; RE2 was given "" for NULL. */
struct slice group_of(const re2::StringPiece &p)
{
	return slice_new(p.data(), p.size());
}

/* RE2's sentence, which has the faulty piece at its end, cut where that is long. */
int say_error(const RE2 &re, struct error *err)
{
	const std::string &text = re.error();
	struct slice cut = utf8_cut(slice_new(text.data(), text.size()), SAID_BYTES_MAX);
	int code = re.error_code() == RE2::ErrorPatternTooLarge ? -E2BIG : -EINVAL;
	return error_set(err, code, "regular expression: %.*s%s", SLICE_ARG(cut), cut.len < text.size() ? "…" : "");
}

} // namespace

struct regex {
	regex(const re2::StringPiece &pattern, const RE2::Options &options) : re(pattern, options)
	{
	}
	RE2 re;
};

/* RE2 compiles; NULL with *code set. */
static struct regex *compile(struct slice pattern, int *code, struct error *err)
{
	void *memory = mem_alloc(sizeof(struct regex));
	struct regex *re = nullptr;
	*code = -ENOMEM;
	if (memory == nullptr)
		return nullptr;
	try {
		RE2::Options options;
		options.set_dot_nl(true);
		options.set_log_errors(false);
		options.set_max_mem(RE2_BYTES);
		re = new (memory) struct regex(piece(pattern), options);
		if (re->re.ok())
			return re;
		*code = say_error(re->re, err);
	} catch (const std::bad_alloc &) {
	}
	if (re != nullptr)
		re->~regex();
	mem_free(memory);
	return nullptr;
}

struct regex *regex_new(struct slice pattern, enum regex_use use, struct error *err)
{
	struct slice copy = {nullptr, 0};
	struct regex *re = nullptr;

	int code = regex_check_bounds(pattern, use, &copy, err);
	if (code == 0)
		re = compile(copy, &code, err);
	mem_free(const_cast<char *>(copy.ptr));
	if (code == -ENOMEM && re == nullptr)
		error_set(err, -ENOMEM, "regular expression: out of memory");
	return re;
}

void regex_free(struct regex *re)
{
	if (re == nullptr)
		return;
	re->~regex();
	mem_free(re);
}

int regex_matches(const struct regex *re, struct slice text)
{
	try {
		re2::StringPiece t = piece(text);
		return re->re.Match(t, 0, t.size(), RE2::ANCHOR_BOTH, nullptr, 0);
	} catch (const std::bad_alloc &) {
		return -ENOMEM;
	}
}

int regex_match_groups(const struct regex *re, struct slice text, struct slice *groups, uint32_t count)
{
	re2::StringPiece found[REGEX_GROUPS_MAX + 1];
	uint32_t asked = count < REGEX_GROUPS_MAX + 1 ? count : REGEX_GROUPS_MAX + 1;
	try {
		re2::StringPiece t = piece(text);
		if (!re->re.Match(t, 0, t.size(), RE2::ANCHOR_BOTH, found, static_cast<int>(asked)))
			return 0;
	} catch (const std::bad_alloc &) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++)
		groups[i] = i < asked ? group_of(found[i]) : slice_new(nullptr, 0);
	return 1;
}

int regex_search(const struct regex *re, struct slice text, size_t from, struct slice *whole)
{
	re2::StringPiece found;
	try {
		re2::StringPiece t = piece(text);
		if (!re->re.Match(t, from, t.size(), RE2::UNANCHORED, &found, whole != nullptr))
			return 0;
	} catch (const std::bad_alloc &) {
		return -ENOMEM;
	}
	if (whole != nullptr)
		*whole = group_of(found);
	return 1;
}

uint32_t regex_group_count(const struct regex *re)
{
	return static_cast<uint32_t>(re->re.NumberOfCapturingGroups());
}

int regex_group_named(const struct regex *re, struct slice name)
{
	for (const auto &group : re->re.NamedCapturingGroups()) {
		if (group.first.size() == name.len && memcmp(group.first.data(), name.ptr, name.len) == 0)
			return group.second;
	}
	return -1;
}
