/* See target_file.h. */
#include "scrape/target_file.h"

#include <cjson/cJSON.h>
#include <errno.h>

#include "record/labels.h"

struct reading {
	int (*found)(void *ctx, const char *address, const struct target_file_label *labels, uint32_t label_count,
	             struct error *err);
	void *ctx;
	struct error *err;
	struct target_file_label labels[LABELS_MAX];
	uint32_t label_count;
};

static int read_labels(struct reading *r, const cJSON *labels, int group)
{
	r->label_count = 0;
	if (labels == NULL || cJSON_IsNull(labels))
		return 0;
	if (!cJSON_IsObject(labels))
		return error_set(r->err, -EINVAL, "group %d: labels are no object", group);
	for (const cJSON *l = labels->child; l != NULL; l = l->next) {
		if (!cJSON_IsString(l))
			return error_set(r->err, -EINVAL,
			                 "group %d: the label \"%.100s\" has a value that is no string", group,
			                 l->string);
		if (r->label_count == LABELS_MAX)
			return error_set(r->err, -EINVAL, "group %d has more than %d labels", group, LABELS_MAX);
		r->labels[r->label_count++] = (struct target_file_label){l->string, l->valuestring};
	}
	return 0;
}

static int read_group(struct reading *r, const cJSON *item, int group)
{
	if (!cJSON_IsObject(item))
		return error_set(r->err, -EINVAL, "group %d is no object", group);
	for (const cJSON *member = item->child; member != NULL; member = member->next) {
		if (strcmp(member->string, "targets") != 0 && strcmp(member->string, "labels") != 0)
			return error_set(r->err, -EINVAL, "group %d has \"%.100s\", wanted targets and labels", group,
			                 member->string);
	}
	const cJSON *targets = cJSON_GetObjectItemCaseSensitive(item, "targets");
	if (!cJSON_IsArray(targets))
		return error_set(r->err, -EINVAL, "group %d has no array of targets", group);
	int code = read_labels(r, cJSON_GetObjectItemCaseSensitive(item, "labels"), group);
	for (const cJSON *t = targets->child; t != NULL && code == 0; t = t->next) {
		if (!cJSON_IsString(t))
			return error_set(r->err, -EINVAL, "group %d has a target that is no string", group);
		code = r->found(r->ctx, t->valuestring, r->labels, r->label_count, r->err);
	}
	return code;
}

/* Is there nothing but white space? */
static bool is_blank(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
		at++;
	return at == end;
}

int target_file_read(struct slice text,
                     int (*found)(void *ctx, const char *address, const struct target_file_label *labels,
                                  uint32_t label_count, struct error *err),
                     void *ctx, struct error *err)
{
	struct reading r = {.found = found, .ctx = ctx, .err = err};
	const char *end = text.ptr;

	if (text.len == 0 || memchr(text.ptr, '\0', text.len) != NULL)
		return error_set(err, -EINVAL, "no JSON was found");
	cJSON *root = cJSON_ParseWithLengthOpts(text.ptr, text.len, &end, 0);
	if (root == NULL)
		return error_set(err, -EINVAL, "no JSON, from byte %td on", end - text.ptr);
	int code = 0, group = 0;
	if (!is_blank(end, text.ptr + text.len))
		code = error_set(err, -EINVAL, "something is behind the JSON, at byte %td", end - text.ptr);
	else if (!cJSON_IsArray(root))
		code = error_set(err, -EINVAL, "found no array, wanted [ { \"targets\": [ \"host:9100\" ] } ]");
	for (const cJSON *item = cJSON_IsArray(root) ? root->child : NULL; item != NULL && code == 0; item = item->next)
		code = read_group(&r, item, ++group);
	cJSON_Delete(root);
	return code;
}
