/* Values: truth, names of types, how they print. */
#include <stdio.h>

#include "base/civil.h"
#include "base/clock.h"
#include "template/internal.h"

const char *template_type_name(const struct template_value *v)
{
	switch (v->type) {
	case TEMPLATE_BOOL:
		return "bool";
	case TEMPLATE_INT:
		return "int";
	case TEMPLATE_FLOAT:
		return "float64";
	case TEMPLATE_STRING:
		return "string";
	case TEMPLATE_LIST:
		return "[]interface {}";
	case TEMPLATE_MAP:
		return v->map->name != NULL                     ? v->map->name
		       : v->map->absent.type == TEMPLATE_STRING ? "map[string]string"
		                                                : "map[string]interface {}";
	case TEMPLATE_TIME:
		return "time.Time";
	case TEMPLATE_DURATION:
		return "time.Duration";
	default:
		return "interface {}";
	}
}

bool template_is_true(const struct template_value *v)
{
	switch (v->type) {
	case TEMPLATE_BOOL:
		return v->boolean;
	case TEMPLATE_INT:
	case TEMPLATE_DURATION:
		return v->integer != 0;
	case TEMPLATE_FLOAT:
		return v->number != 0; /* NaN is other than 0 */
	case TEMPLATE_STRING:
		return v->text.len > 0;
	case TEMPLATE_LIST:
		return v->list.count > 0;
	case TEMPLATE_MAP:
		return v->map->name != NULL || v->map->count > 0;
	case TEMPLATE_TIME:
		return true;
	default:
		return false;
	}
}

const struct template_value *template_map_find(const struct template_map *map, struct slice key)
{
	for (uint32_t i = 0; i < map->count; i++) {
		if (slice_eq(map->pairs[i].key, key))
			return &map->pairs[i].value;
	}
	return NULL;
}

/* As Go's time.Time prints in UTC: 2006-01-02 15:04:05.5 +0000 UTC. */
static void print_time(struct buf *out, int64_t ns)
{
	int64_t seconds = civil_floor_div(ns, NS_PER_S);
	int64_t days = civil_floor_div(seconds, CIVIL_DAY_S);
	unsigned of_day = (unsigned)(seconds - days * CIVIL_DAY_S);
	struct civil date = civil_from_day(days);
	char fraction[16];

	buf_printf(out, "%04lld-%02u-%02u %02u:%02u:%02u", (long long)date.year, date.month, date.day, of_day / 3600,
	           of_day / 60 % 60, of_day % 60);
	int len = snprintf(fraction, sizeof fraction, ".%09lld", (long long)(ns - seconds * NS_PER_S));
	while (len > 0 && fraction[len - 1] == '0')
		len--;
	if (len > 1)
		buf_append(out, fraction, (size_t)len);
	buf_str(out, " +0000 UTC");
}

static void print_within(struct buf *out, const struct template_value *v)
{
	if (v->type == TEMPLATE_NIL)
		buf_str(out, "<nil>");
	else
		template_print(out, v);
}

static void print_map(struct buf *out, const struct template_map *map)
{
	buf_str(out, map->name != NULL ? "{" : "map[");
	for (uint32_t i = 0; i < map->count; i++) {
		if (i > 0)
			buf_byte(out, ' ');
		if (map->name == NULL) {
			buf_slice_append(out, map->pairs[i].key);
			buf_byte(out, ':');
		}
		print_within(out, &map->pairs[i].value);
	}
	buf_byte(out, map->name != NULL ? '}' : ']');
}

void template_print(struct buf *out, const struct template_value *v)
{
	switch (v->type) {
	case TEMPLATE_NIL:
		buf_str(out, "<no value>");
		break;
	case TEMPLATE_BOOL:
		buf_str(out, v->boolean ? "true" : "false");
		break;
	case TEMPLATE_INT:
		buf_int(out, v->integer);
		break;
	case TEMPLATE_FLOAT:
		buf_number_go(out, v->number);
		break;
	case TEMPLATE_STRING:
		buf_slice_append(out, v->text);
		break;
	case TEMPLATE_LIST:
		buf_byte(out, '[');
		for (uint32_t i = 0; i < v->list.count; i++) {
			if (i > 0)
				buf_byte(out, ' ');
			print_within(out, &v->list.items[i]);
		}
		buf_byte(out, ']');
		break;
	case TEMPLATE_MAP:
		print_map(out, v->map);
		break;
	case TEMPLATE_TIME:
		print_time(out, v->integer);
		break;
	case TEMPLATE_DURATION:
		template_format_duration(out, v->integer);
		break;
	}
}
