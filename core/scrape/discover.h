/* Which targets there should be: those of the configuration, and those of files, which are looked at again and again. Private to scrape/. */
#ifndef MOONGATE_SCRAPE_DISCOVER_H
#define MOONGATE_SCRAPE_DISCOVER_H

#include "scrape/target.h"

struct discovery;

/* Nothing is read yet. NULL: memory is out. `config` is borrowed. */
struct discovery *discovery_new(const struct config *config);
void discovery_free(struct discovery *d);

/* How long until discovery_look is worth while, in nanoseconds: the shortest interval of a job with files. INT64_MAX: there are no files. */
int64_t discovery_every_ns(const struct discovery *d);

/* Looks at the files. One that cannot be read, or is broken, keeps the targets that it had, and is named in the log once, and again when the reason is another one, a minute later at the soonest. Returns whether there may be other targets than before; so it does the first time. */
bool discovery_look(struct discovery *d);

/* Makes each target that there should be; `found` owns it. Those of one identity may come again. 0; what `found` returned; -ENOMEM; -EINVAL with a sentence, of a target of the configuration. */
int discovery_each(struct discovery *d, int (*found)(void *ctx, struct target *t), void *ctx, struct error *err);

/* Of files, as they were looked at last. */
uint32_t discovery_files(const struct discovery *d);
uint32_t discovery_broken(const struct discovery *d);

#endif
