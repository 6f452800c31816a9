/* A block: the samples of all series within a span of time, in an immutable file. Written once, in the order of the labels; mapped and read by any number of threads. The layout is in FORMAT.md ("Block").
 *
 * Series of a block are numbered in the order of their labels, so that neighbours are related: 64 of them share a page of the index (labels and summaries, compressed) and groups of columns (columns.h) of at most BLOCK_PIECE_SAMPLES samples each in time. */
#ifndef MOONGATE_TSDB_BLOCK_H
#define MOONGATE_TSDB_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"
#include "tsdb/chunk.h"
#include "tsdb/columns.h"
#include "tsdb/postings.h"

enum {
	BLOCK_PAGE_SERIES = COLUMNS_SERIES,
	BLOCK_PIECE_SAMPLES = 1024 /* of one series in a group: what a query reads at least */
};

/* ---- writing ---- */

struct block_writer;

/* Begins a block of from_ms ≤ time < to_ms in the directory `dir` (which is there), under a temporary name. NULL with a sentence. Owned by the caller: block_writer_finish or block_writer_cancel. One thread. */
struct block_writer *block_writer_new(const char *dir, int64_t from_ms, int64_t to_ms, struct error *err);

/* Adds a series, whose labels (canonical) come behind those of the last one in the order of labels_compare, with its samples, at least one, all within the block's time. Everything is copied. 0, or a negative errno with a sentence: then the writer
 * can only be cancelled. */
int block_writer_add(struct block_writer *w, struct slice labels, const struct column *samples, struct error *err);

/* Writes what is left, syncs, gives the block its name and makes that durable. 0 and the name, or a negative errno with a sentence and nothing left behind. Frees the writer. -ENODATA: no series was added. */
enum { BLOCK_NAME_MAX = 64 };
int block_writer_finish(struct block_writer *w, char name[BLOCK_NAME_MAX], struct error *err);

/* Removes what was written. NULL is allowed. */
void block_writer_cancel(struct block_writer *w);

/* ---- a block ---- */

struct block;

struct block_info {
	int64_t from_ms, to_ms;
	uint32_t series;
	uint64_t samples;
	uint64_t bytes; /* on disk */
};

/* Opens dir/name and checks the index (a checksum a section). NULL with a sentence that names the file: -EBADMSG what is damaged, -EPROTO a version of the format that is not known. Owned by the caller: block_close. */
struct block *block_open(const char *dir, const char *name, struct error *err);
void block_close(struct block *b);

/* What there is; name is borrowed from the block. Any thread. */
const struct block_info *block_info(const struct block *b);
const char *block_name(const struct block *b);

/* The times of a block's name; false: it is none. */
bool block_name_parse(const char *name, int64_t *from_ms, int64_t *to_ms);

/* ---- reading: a reader is used by one thread at a time, any number of readers of a block at once ---- */

struct block_reader;

/* NULL when memory is out. The block outlives it. */
struct block_reader *block_reader_new(const struct block *b);
void block_reader_free(struct block_reader *r);

/* The index, for postings_select; lists and values are the reader's, until it is freed. */
void block_reader_index(struct block_reader *r, struct postings_source *out);
/* To be asked when the answers are complete: was memory out for one of them? It says that there are no such series then, which is not so. */
bool block_reader_index_failed(const struct block_reader *r);

/* The names of all labels, rising. */
int block_reader_label_names(struct block_reader *r, struct arena *arena, const struct slice **names, uint32_t *count);

/* Labels (canonical, appended to `out`) and summary of a series; either may be NULL. Reading them in the order of the numbers is cheapest. 0, -ENOMEM, -EBADMSG with a sentence. */
int block_reader_series(struct block_reader *r, uint32_t number, struct buf *labels, struct chunk_summary *summary,
                        struct error *err);

/* The labels alone (canonical): the reader's, until the next call of either. Errors as above. */
int block_reader_labels(struct block_reader *r, uint32_t number, struct slice *out, struct error *err);

/* The samples of a series with from_ms ≤ time ≤ to_ms, rising; the arrays are the reader's, until the next call. 0, -ENOMEM, -EBADMSG with a sentence that names file and series: nothing of it is given. Others of the block can still be read. */
int block_reader_samples(struct block_reader *r, uint32_t number, int64_t from_ms, int64_t to_ms, struct column *out,
                         struct error *err);

/* Adds the same samples to `out`: from the summaries of pieces that lie within the time, so that at most two are decoded. Errors as above, and some may have been added. */
int block_reader_split(struct block_reader *r, uint32_t number, int64_t from_ms, int64_t to_ms,
                       struct summary_split *out, struct error *err);

#endif
