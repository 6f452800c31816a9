/* A small table: what was wanted beside what was got. */
#ifndef PROMQLTEST_GRID_H
#define PROMQLTEST_GRID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum { GRID_ROWS_MAX = 40, GRID_COLUMNS = 3 };

/* Cells one after another in one buffer; each ends in NUL. */
struct grid {
	struct buf cells;
	uint32_t rows;
	uint32_t left_out; /* behind GRID_ROWS_MAX */
	bool marks[GRID_ROWS_MAX];
};

/* A row; `marked`: it is one that is wrong. */
void grid_row(struct grid *t, bool marked, struct slice name, struct slice wanted, struct slice got);

/* Appends it with a heading, indented and aligned, and empties it. */
void grid_print(struct grid *t, const char *name, struct buf *out);

#endif
