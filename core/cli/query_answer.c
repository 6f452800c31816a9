/* Prometheus's JSON into series. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/query.h"

static int out_of_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "out of memory for the answer");
}

static int no_answer(struct error *err)
{
	return error_set(err, -EPROTO, "the server's answer is not one of Prometheus's API");
}

static const char *keep(struct arena *arena, const char *text)
{
	size_t len = strlen(text) + 1;
	char *copy = arena_alloc(arena, len);
	return copy != NULL ? memcpy(copy, text, len) : NULL;
}

/* "NaN", "+Inf" and "-Inf" are read by strtod as well. */
static bool read_point(const cJSON *point, struct arena *arena, double *time, double *value, const char **text)
{
	const cJSON *t = cJSON_GetArrayItem(point, 0), *v = cJSON_GetArrayItem(point, 1);

	if (!cJSON_IsNumber(t) || !cJSON_IsString(v))
		return false;
	*time = t->valuedouble;
	*value = strtod(v->valuestring, NULL);
	*text = keep(arena, v->valuestring);
	return true;
}

static int by_name(const void *a, const void *b)
{
	return slice_compare(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static int read_labels(const cJSON *metric, struct arena *arena, struct query_series *s, struct error *err)
{
	struct label *labels = arena_alloc(arena, ((size_t)cJSON_GetArraySize(metric) + 1) * sizeof *labels);
	const cJSON *l;

	if (labels == NULL)
		return out_of_memory(err);
	cJSON_ArrayForEach(l, metric)
	{
		const char *name = keep(arena, l->string);
		const char *value = cJSON_IsString(l) ? keep(arena, l->valuestring) : NULL;
		if (name == NULL || value == NULL)
			return cJSON_IsString(l) ? out_of_memory(err) : no_answer(err);
		labels[s->label_count++] = (struct label){slice_cstr(name), slice_cstr(value)};
	}
	qsort(labels, s->label_count, sizeof *labels, by_name);
	s->labels = labels;
	return 0;
}

/* `points`: an array of points, or a single one. */
static int read_points(const cJSON *points, bool single, struct arena *arena, struct query_series *s, struct error *err)
{
	size_t count = single ? 1 : (size_t)cJSON_GetArraySize(points);
	double *times = arena_alloc(arena, (count + 1) * sizeof *times);
	double *values = arena_alloc(arena, (count + 1) * sizeof *values);
	const char **texts = arena_alloc(arena, (count + 1) * sizeof *texts);
	const cJSON *point = single ? points : points->child;

	if (times == NULL || values == NULL || texts == NULL)
		return out_of_memory(err);
	for (uint32_t i = 0; i < count; i++, point = point->next) {
		if (!read_point(point, arena, &times[i], &values[i], &texts[i]))
			return no_answer(err);
		if (texts[i] == NULL)
			return out_of_memory(err);
	}
	s->times = times;
	s->values = values;
	s->texts = texts;
	s->count = (uint32_t)count;
	return 0;
}

static int read_series(const cJSON *result, struct query_answer *out, struct error *err)
{
	struct query_series *series =
	    arena_alloc(&out->arena, ((size_t)cJSON_GetArraySize(result) + 1) * sizeof *series);
	const cJSON *item;
	int code = 0;

	if (series == NULL)
		return out_of_memory(err);
	out->series = series;
	cJSON_ArrayForEach(item, result)
	{
		const cJSON *value = cJSON_GetObjectItemCaseSensitive(item, "value");
		const cJSON *values = cJSON_GetObjectItemCaseSensitive(item, "values");
		struct query_series *s = &series[out->series_count++];
		*s = (struct query_series){0};
		code = read_labels(cJSON_GetObjectItemCaseSensitive(item, "metric"), &out->arena, s, err);
		if (code == 0 && !cJSON_IsArray(value) && !cJSON_IsArray(values))
			code = no_answer(err);
		if (code == 0)
			code = read_points(value != NULL ? value : values, value != NULL, &out->arena, s, err);
		if (code != 0)
			return code;
	}
	return 0;
}

/* A scalar is a series without labels. */
static int read_scalar(const cJSON *result, struct query_answer *out, struct error *err)
{
	struct query_series *s = arena_alloc(&out->arena, sizeof *s);

	if (s == NULL)
		return out_of_memory(err);
	*s = (struct query_series){0};
	out->series = s;
	out->series_count = 1;
	return read_points(result, true, &out->arena, s, err);
}

static int read_data(const cJSON *data, struct query_answer *out, struct error *err)
{
	const cJSON *type = cJSON_GetObjectItemCaseSensitive(data, "resultType");
	const cJSON *result = cJSON_GetObjectItemCaseSensitive(data, "result");

	if (!cJSON_IsString(type) || !cJSON_IsArray(result))
		return no_answer(err);
	snprintf(out->type, sizeof out->type, "%s", type->valuestring);
	if (strcmp(out->type, "vector") == 0 || strcmp(out->type, "matrix") == 0)
		return read_series(result, out, err);
	if (strcmp(out->type, "scalar") == 0)
		return read_scalar(result, out, err);
	const cJSON *text = cJSON_GetArrayItem(result, 1);
	if (!cJSON_IsString(text))
		return no_answer(err);
	out->text = keep(&out->arena, text->valuestring);
	return out->text != NULL ? 0 : out_of_memory(err);
}

static int read_notes(const cJSON *answer, struct query_answer *out, struct error *err)
{
	static const char *const members[] = {"warnings", "infos"};
	size_t room = 0;
	const cJSON *note;

	for (int i = 0; i < 2; i++)
		room += (size_t)cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(answer, members[i]));
	const char **notes = arena_alloc(&out->arena, (room + 1) * sizeof *notes);
	if (notes == NULL)
		return out_of_memory(err);
	for (int i = 0; i < 2; i++) {
		cJSON_ArrayForEach(note, cJSON_GetObjectItemCaseSensitive(answer, members[i]))
		{
			if (!cJSON_IsString(note))
				continue;
			notes[out->note_count] = keep(&out->arena, note->valuestring);
			if (notes[out->note_count] == NULL)
				return out_of_memory(err);
			out->note_count++;
		}
	}
	out->notes = notes;
	return 0;
}

int query_answer_read(struct slice json, struct query_answer *out, struct error *err)
{
	*out = (struct query_answer){0};
	arena_init(&out->arena);
	cJSON *answer = cJSON_ParseWithLength(json.ptr, json.len);
	const cJSON *status = cJSON_GetObjectItemCaseSensitive(answer, "status");
	const cJSON *why = cJSON_GetObjectItemCaseSensitive(answer, "error");
	int code;

	if (!cJSON_IsString(status)) {
		const cJSON *message = cJSON_GetObjectItemCaseSensitive(why, "message");
		code = cJSON_IsString(message) ? error_set(err, -EPROTO, "%s", message->valuestring) : no_answer(err);
	} else if (strcmp(status->valuestring, "success") != 0) {
		code = cJSON_IsString(why) ? error_set(err, -EPROTO, "%s", why->valuestring) : no_answer(err);
	} else {
		code = read_data(cJSON_GetObjectItemCaseSensitive(answer, "data"), out, err);
		if (code == 0)
			code = read_notes(answer, out, err);
	}
	cJSON_Delete(answer);
	return code;
}

void query_answer_free(struct query_answer *a)
{
	arena_deinit(&a->arena);
}
