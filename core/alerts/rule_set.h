/* All rule files of a configuration, as they are at one moment. */
#ifndef MOONGATE_ALERTS_RULE_SET_H
#define MOONGATE_ALERTS_RULE_SET_H

#include "alerts/alerts.h"

enum { RULE_FILES_MAX = 10000 };

struct rule_set {
	struct arena arena;
	struct rule_file *files;
	uint32_t file_count;
};

/* Reads them. NULL with the first thing that is wrong. The caller's: rule_set_free. */
struct rule_set *rule_set_read(char *const *patterns, uint32_t count, struct error *err);
void rule_set_free(struct rule_set *s); /* NULL is allowed */

#endif
