#include "oracle.h"

#include <simdjson.h>

using namespace simdjson;

extern "C" enum oracle_verdict oracle_json(const char *text, size_t len)
{
	static thread_local dom::parser parser;
	dom::element element;
	error_code error = parser.parse(text, len, false).get(element);
	if (error == SUCCESS)
		return ORACLE_VALID;
	bool beyond =
	    error == NUMBER_ERROR || error == NUMBER_OUT_OF_RANGE || error == DEPTH_ERROR || error == CAPACITY;
	return beyond ? ORACLE_BEYOND : ORACLE_INVALID;
}

static long walk(ondemand::value v);

static long walk_object(ondemand::object object)
{
	long n = 0;
	for (auto field : object) {
		if (field.unescaped_key().error() != SUCCESS)
			return -1;
		long below = walk(field.value());
		if (below < 0)
			return -1;
		n += below;
	}
	return n;
}

static long walk_array(ondemand::array array)
{
	long n = 0;
	for (auto item : array) {
		long below = walk(item.value());
		if (below < 0)
			return -1;
		n += below;
	}
	return n;
}

static long walk(ondemand::value v)
{
	switch (v.type()) {
	case ondemand::json_type::object:
		return walk_object(v.get_object());
	case ondemand::json_type::array:
		return walk_array(v.get_array());
	case ondemand::json_type::string:
		return v.get_string().error() == SUCCESS ? 1 : -1;
	case ondemand::json_type::number:
		return v.get_number().error() == SUCCESS ? 1 : -1;
	case ondemand::json_type::boolean:
		return v.get_bool().error() == SUCCESS ? 1 : -1;
	default:
		return v.is_null() ? 1 : -1;
	}
}

extern "C" long oracle_walk(const char *text, size_t len)
{
	static thread_local ondemand::parser parser;
	ondemand::document_stream lines;
	if (parser.iterate_many(text, len, len < 64 ? 64 : len).get(lines) != SUCCESS)
		return -1;
	long n = 0;
	try {
		for (auto line : lines) {
			long below = walk_object(line.get_object());
			if (below < 0)
				return -1;
			n += below;
		}
	} catch (const simdjson_error &) {
		return -1;
	}
	return n;
}

static long count(dom::element e)
{
	long n = 0;
	switch (e.type()) {
	case dom::element_type::OBJECT:
		for (auto field : dom::object(e))
			n += count(field.value);
		return n;
	case dom::element_type::ARRAY:
		for (auto item : dom::array(e))
			n += count(item);
		return n;
	default:
		return 1;
	}
}

extern "C" long oracle_dom(const char *text, size_t len)
{
	static thread_local dom::parser parser;
	dom::document_stream lines;
	if (parser.parse_many(text, len, len < 64 ? 64 : len).get(lines) != SUCCESS)
		return -1;
	long n = 0;
	for (auto line : lines) {
		dom::element e;
		if (line.get(e) != SUCCESS)
			return -1;
		n += count(e);
	}
	return n;
}
