/* Rows and columns. */
#include "grid.h"

enum { WIDTH_MAX = 100 };

void grid_row(struct grid *t, bool marked, struct slice name, struct slice wanted, struct slice got)
{
	const struct slice cells[GRID_COLUMNS] = {name, wanted, got};

	if (t->rows == GRID_ROWS_MAX) {
		t->left_out++;
		return;
	}
	t->marks[t->rows++] = marked;
	for (int i = 0; i < GRID_COLUMNS; i++) {
		const char *end = cells[i].len > 0 ? memchr(cells[i].ptr, '\0', cells[i].len) : NULL;
		buf_append(&t->cells, cells[i].ptr, end != NULL ? (size_t)(end - cells[i].ptr) : cells[i].len);
		buf_byte(&t->cells, '\0');
	}
}

/* Characters, as far as they are one column wide each. */
static size_t width(const char *text)
{
	size_t n = 0;
	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void measure(const struct grid *t, size_t widths[GRID_COLUMNS])
{
	const char *cell = t->cells.ptr;

	for (uint32_t i = 0; i < t->rows * GRID_COLUMNS; i++) {
		size_t n = width(cell);
		if (n > widths[i % GRID_COLUMNS])
			widths[i % GRID_COLUMNS] = n < WIDTH_MAX ? n : WIDTH_MAX;
		cell += strlen(cell) + 1;
	}
}

static void print_row(struct buf *out, char mark, const char *const cells[GRID_COLUMNS],
                      const size_t widths[GRID_COLUMNS])
{
	buf_printf(out, "    %c ", mark);
	for (int i = 0; i < GRID_COLUMNS; i++) {
		buf_str(out, cells[i]);
		for (size_t n = width(cells[i]); i + 1 < GRID_COLUMNS && n < widths[i] + 2; n++)
			buf_byte(out, ' ');
	}
	buf_byte(out, '\n');
}

void grid_print(struct grid *t, const char *name, struct buf *out)
{
	const char *const heading[GRID_COLUMNS] = {name, "wanted", "got"};
	size_t widths[GRID_COLUMNS];

	for (int i = 0; i < GRID_COLUMNS; i++)
		widths[i] = width(heading[i]);
	if (!buf_failed(&t->cells)) {
		measure(t, widths);
		print_row(out, ' ', heading, widths);
		const char *cell = t->cells.ptr;
		for (uint32_t i = 0; i < t->rows; i++) {
			const char *cells[GRID_COLUMNS];
			for (int k = 0; k < GRID_COLUMNS; k++) {
				cells[k] = cell;
				cell += strlen(cell) + 1;
			}
			print_row(out, t->marks[i] ? '!' : ' ', cells, widths);
		}
		if (t->left_out > 0)
			buf_printf(out, "      … %u more\n", t->left_out);
	}
	buf_free(&t->cells);
	t->rows = t->left_out = 0;
}
