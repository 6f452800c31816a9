/* Files of targets: Prometheus's file_sd_configs, in JSON. Private to scrape/.
 *
 *   [ { "targets": [ "host:9100", … ], "labels": { "team": "search", … } }, … ] */
#ifndef MOONGATE_SCRAPE_TARGET_FILE_H
#define MOONGATE_SCRAPE_TARGET_FILE_H

#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

enum { TARGET_FILE_BYTES_MAX = 1 << 20 };

struct target_file_label {
	const char *name, *value;
};

/* Reads a file's text and calls `found` for each target in it, with the labels of its group. What it is given is good for the call; when it returns non-zero the reading ends with that. 0; -EINVAL with
 * a sentence, after any number of targets were found; -ENOMEM. */
int target_file_read(struct slice text,
                     int (*found)(void *ctx, const char *address, const struct target_file_label *labels,
                                  uint32_t label_count, struct error *err),
                     void *ctx, struct error *err);

#endif
