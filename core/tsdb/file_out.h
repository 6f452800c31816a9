/* A file that is written once, from its beginning to its end, and is there as a whole or not at all: bytes behind each other, buffered, under a temporary name until it is finished. Private to tsdb. */
#ifndef MOONGATE_TSDB_FILE_OUT_H
#define MOONGATE_TSDB_FILE_OUT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

struct file_out {
	char *path, *temporary; /* owned */
	char *dir;              /* owned */
	int fd;
	uint64_t at;     /* bytes so far, those in `held` among them */
	struct buf held; /* not written yet */
};

/* Makes dir/name.tmp, which is to become dir/name. 0, or a negative errno with a sentence and nothing left behind. */
int file_out_open(struct file_out *o, const char *dir, const char *name, struct error *err);
/* Appends; 0, or a negative errno with a sentence. */
int file_out_write(struct file_out *o, struct slice bytes, struct error *err);
/* Zeros up to the next multiple of 8. */
int file_out_align(struct file_out *o, struct error *err);
/* Writes what is held, then `header` at the beginning; syncs, renames, and syncs the directory. 0 or a negative errno with a sentence. Closes it in any case, and removes the file where it failed: also one of the same name that was there before, where only the last step did. */
int file_out_finish(struct file_out *o, struct slice header, struct error *err);
/* Closes and removes it. */
void file_out_cancel(struct file_out *o);

#endif
