/* Inflating.
 *
 * Output memory grows with what comes out. Where COUNT_PIECE bytes in a row come at a ratio over COUNT_RATIO the body is most likely a bomb, whatever it began with: from there on output is
 * only counted, and if it fits after all, inflated once more for good. So an attempt costs 256 KiB of memory and not the
 * whole limit, while honest bodies are inflated once. gzip is counted by its codes (gzip_length.h), since zlib copies what a match stands for nearly byte by byte; zstd is fast
 * enough at that, and may say how long a frame will be.
 *
 * gzip may have several members and zstd several frames; the input must end where one of them ends. A zstd window may be 8 MiB, as RFC 9659 has it.
 *
 * A Snappy block is the simple case: it says its length, which is believed when the block could hold it, and is taken apart in one go. */
#include "net/inflate.h"

#include <errno.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/snappy.h"
#include "net/gzip_length.h"

enum {
	COUNT_PIECE = 256 * 1024,
	COUNT_RATIO = 100,
	SCRATCH_BYTES = 64 * 1024,
	FIRST_GUESS_MAX = 256 * 1024,
	INPUT_STEP = 1 << 30,
	WINDOW_LOG_MAX = 23,
	SMALL_BYTES = 1024 * 1024,
};

enum codec_state { CODEC_GOES_ON, CODEC_ENDED, CODEC_BROKEN };

struct inflater {
	enum encoding encoding;
	z_stream gzip;
	ZSTD_DCtx *zstd;
	struct slice in; /* borrowed */
	size_t used;     /* bytes of `in` */
	uint64_t limit;
	struct budget *budget;
	size_t allowed; /* snappy: bytes that may have come out by now, by all steps so far */
	struct body out;
	char *scratch;    /* zstd: SCRATCH_BYTES while output is only counted; else NULL */
	uint64_t counted; /* bytes in all; 0: not counted */
	/* Where the piece at hand begins, in `in` and in `out`. */
	size_t piece_used, piece_len;
};

enum encoding encoding_parse(struct slice value)
{
	if (value.len == 0 || header_is(value, "identity"))
		return ENCODING_IDENTITY;
	if (header_is(value, "gzip") || header_is(value, "x-gzip"))
		return ENCODING_GZIP;
	if (header_is(value, "zstd"))
		return ENCODING_ZSTD;
	if (header_is(value, "snappy"))
		return ENCODING_SNAPPY;
	return ENCODING_UNKNOWN;
}

static void *zlib_alloc(void *opaque, unsigned count, unsigned size)
{
	(void)opaque;
	return mem_zalloc(count, size);
}

static void zlib_free(void *opaque, void *at)
{
	(void)opaque;
	mem_free(at);
}

struct inflater *inflater_new(enum encoding encoding)
{
	struct inflater *f = mem_zalloc(1, sizeof *f);
	if (f == NULL)
		return NULL;
	f->encoding = encoding;
	if (encoding == ENCODING_SNAPPY)
		return f;
	f->gzip.zalloc = zlib_alloc;
	f->gzip.zfree = zlib_free;
	if (encoding == ENCODING_GZIP && inflateInit2(&f->gzip, 15 + 16) == Z_OK)
		return f;
	if (encoding == ENCODING_ZSTD)
		f->zstd = ZSTD_createDCtx();
	if (f->zstd != NULL && !ZSTD_isError(ZSTD_DCtx_setParameter(f->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
		return f;
	inflater_free(f);
	return NULL;
}

void inflater_free(struct inflater *f)
{
	if (f == NULL)
		return;
	inflater_end(f);
	if (f->encoding == ENCODING_GZIP)
		inflateEnd(&f->gzip);
	ZSTD_freeDCtx(f->zstd);
	mem_free(f);
}

bool inflater_is_small(const struct inflater *f)
{
	return f->zstd == NULL || ZSTD_sizeof_DCtx(f->zstd) <= SMALL_BYTES;
}

static void rewind_codec(struct inflater *f)
{
	f->used = f->piece_used = f->piece_len = 0;
	if (f->encoding == ENCODING_GZIP)
		CHECK(inflateReset(&f->gzip) == Z_OK);
	else if (f->encoding == ENCODING_ZSTD)
		CHECK(!ZSTD_isError(ZSTD_DCtx_reset(f->zstd, ZSTD_reset_session_only)));
}

void inflater_begin(struct inflater *f, struct slice in, uint64_t limit, struct budget *budget)
{
	f->in = in;
	f->limit = limit;
	f->budget = budget;
	body_free(&f->out, budget);
	mem_free(f->scratch);
	f->scratch = NULL;
	f->counted = f->allowed = 0;
	rewind_codec(f);
}

static enum codec_state broken(struct refusal *no, int status, const char *why)
{
	*no = (struct refusal){status, why};
	return CODEC_BROKEN;
}

/* Inflates into `room` bytes at `to`; *made says how many were. */
static enum codec_state run_gzip(struct inflater *f, char *to, size_t room, size_t *made, struct refusal *no)
{
	z_stream *z = &f->gzip;
	size_t left = f->in.len - f->used;
	uInt given = left < INPUT_STEP ? (uInt)left : INPUT_STEP;

	z->next_in = (Bytef *)(uintptr_t)(f->in.ptr + f->used);
	z->avail_in = given;
	z->next_out = (Bytef *)to;
	z->avail_out = room < INPUT_STEP ? (uInt)room : INPUT_STEP;
	uInt wanted = z->avail_out;
	int code = inflate(z, Z_NO_FLUSH);
	f->used += given - z->avail_in;
	*made = wanted - z->avail_out;
	if (code == Z_MEM_ERROR)
		return broken(no, 503, "out of memory for inflating the body");
	if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
		return broken(no, 400, "the body is not gzip, or damaged");
	bool all = f->used == f->in.len;
	if (code == Z_STREAM_END && all)
		return CODEC_ENDED;
	if (code == Z_STREAM_END)
		CHECK(inflateReset(z) == Z_OK); /* another member must follow */
	else if (all && z->avail_out > 0)
		return broken(no, 400, "the gzip body is cut off");
	return CODEC_GOES_ON;
}

static enum codec_state zstd_broken(size_t code, struct refusal *no)
{
	ZSTD_ErrorCode error = ZSTD_getErrorCode(code);
	if (error == ZSTD_error_memory_allocation)
		return broken(no, 503, "out of memory for inflating the body");
	if (error == ZSTD_error_frameParameter_windowTooLarge)
		return broken(no, 400, "the body's zstd window is larger than 8 MiB");
	return broken(no, 400, "the body is not zstd, or damaged");
}

/* Does the first frame say that it holds more than may come out? zstd holds a frame to what it says. */
static bool says_too_much(const struct inflater *f)
{
	unsigned long long size = ZSTD_getFrameContentSize(f->in.ptr, f->in.len);
	return size != ZSTD_CONTENTSIZE_UNKNOWN && size != ZSTD_CONTENTSIZE_ERROR && size > f->limit;
}

static enum codec_state run_zstd(struct inflater *f, char *to, size_t room, size_t *made, struct refusal *no)
{
	ZSTD_inBuffer in = {f->in.ptr, f->in.len, f->used};
	ZSTD_outBuffer out = {to, room, 0};
	if (f->used == 0 && says_too_much(f))
		return broken(no, 413, "the inflated body is too large");
	size_t code = ZSTD_decompressStream(f->zstd, &out, &in);
	f->used = in.pos;
	*made = out.pos;
	if (ZSTD_isError(code))
		return zstd_broken(code, no);
	bool all = f->used == f->in.len;
	if (code == 0 && all)
		return CODEC_ENDED;
	if (code != 0 && all && out.pos < out.size)
		return broken(no, 400, "the zstd body is cut off");
	return CODEC_GOES_ON;
}

static enum codec_state run_codec(struct inflater *f, char *to, size_t room, size_t *made, struct refusal *no)
{
	*made = 0;
	return f->encoding == ENCODING_GZIP ? run_gzip(f, to, room, made, no) : run_zstd(f, to, room, made, no);
}

static enum codec_state refuse_size(struct refusal *no)
{
	return broken(no, 413, "the inflated body is too large");
}

static enum codec_state refuse_memory(int code, struct refusal *no)
{
	return broken(no, 503,
	              code == -EDQUOT ? "the memory for bodies in flight is used up"
	                              : "out of memory for inflating the body");
}

/* Room for output in the body. */
static int grow(struct inflater *f)
{
	size_t need = f->out.len + 1;
	if (f->out.ptr == NULL) {
		size_t guess = f->in.len < FIRST_GUESS_MAX / 4 ? f->in.len * 4 : FIRST_GUESS_MAX;
		need = guess > need ? guess : need;
	}
	if (need > f->limit)
		need = (size_t)f->limit;
	return body_reserve(&f->out, need, (size_t)f->limit, f->budget);
}

/* Is a piece complete that stands for far more than it is? Then the next piece begins. */
static bool looks_like_bomb(struct inflater *f)
{
	size_t used = f->used - f->piece_used, made = f->out.len - f->piece_len;
	if (made < COUNT_PIECE)
		return false;
	f->piece_used = f->used;
	f->piece_len = f->out.len;
	return made / COUNT_RATIO > used;
}

/* One piece of output that is kept. */
static enum codec_state run_storing(struct inflater *f, size_t *made, struct refusal *no)
{
	char extra;
	if (f->out.len == f->limit) {
		enum codec_state state = run_codec(f, &extra, 1, made, no);
		return *made > 0 ? refuse_size(no) : state;
	}
	int code = body_room(&f->out) > 0 ? 0 : grow(f);
	if (code != 0)
		return refuse_memory(code, no);
	size_t room = body_room(&f->out), piece = f->piece_len + COUNT_PIECE - f->out.len;
	enum codec_state state = run_codec(f, f->out.ptr + f->out.len, room < piece ? room : piece, made, no);
	f->out.len += *made;
	return state;
}

/* The body was counted and fits: everything begins again, to be kept. */
static enum codec_state keep_counted(struct inflater *f, struct refusal *no)
{
	mem_free(f->scratch);
	f->scratch = NULL;
	body_free(&f->out, f->budget);
	/* One byte more, so that the end is seen without growing. */
	size_t need = (size_t)f->counted + (f->counted < f->limit);
	int code = body_reserve(&f->out, need, need, f->budget);
	if (code != 0)
		return refuse_memory(code, no);
	rewind_codec(f);
	return CODEC_GOES_ON;
}

static enum codec_state count_gzip(struct inflater *f, struct refusal *no)
{
	switch (gzip_length(f->in, f->limit, &f->counted)) {
	case GZIP_FITS:
		return keep_counted(f, no);
	case GZIP_OVER:
		return refuse_size(no);
	case GZIP_BROKEN:
		break;
	}
	return broken(no, 400, "the body is not gzip, or damaged");
}

static enum codec_state begin_counting(struct inflater *f, struct refusal *no)
{
	if (f->encoding == ENCODING_GZIP)
		return count_gzip(f, no);
	f->scratch = mem_alloc(SCRATCH_BYTES);
	if (f->scratch == NULL)
		return refuse_memory(-ENOMEM, no);
	f->counted = f->out.len;
	return CODEC_GOES_ON;
}

/* One piece of output that is counted. */
static enum codec_state run_counting(struct inflater *f, size_t *made, struct refusal *no)
{
	enum codec_state state = run_codec(f, f->scratch, SCRATCH_BYTES, made, no);
	f->counted += *made;
	if (f->counted > f->limit)
		return refuse_size(no);
	return state == CODEC_ENDED ? keep_counted(f, no) : state;
}

/* Waits until the steps allow for the whole, so that who has time for little leaves large blocks to others. */
static enum codec_state run_snappy(struct inflater *f, size_t step, struct refusal *no)
{
	size_t len;
	int code = snappy_block_length(f->in, (size_t)f->limit, &len);
	if (code == -EFBIG)
		return refuse_size(no);
	if (code != 0)
		return broken(no, 400, "the body is not in Snappy's block format, or damaged");
	f->allowed = step < SIZE_MAX - f->allowed ? f->allowed + step : SIZE_MAX;
	if (len > f->allowed)
		return CODEC_GOES_ON;
	code = body_reserve(&f->out, len, len, f->budget);
	if (code != 0)
		return refuse_memory(code, no);
	if (snappy_block_decode(f->in, f->out.ptr, len) != 0)
		return broken(no, 400, "the body is not in Snappy's block format, or damaged");
	f->out.len = len;
	return CODEC_ENDED;
}

/* Goes on with gzip or zstd, piece by piece. */
static enum codec_state run_stream(struct inflater *f, size_t step, struct refusal *no)
{
	enum codec_state state = CODEC_GOES_ON;
	size_t made = 0;

	for (size_t sum = 0; state == CODEC_GOES_ON && sum < step; sum += made) {
		if (f->scratch != NULL) {
			state = run_counting(f, &made, no);
			continue;
		}
		state = run_storing(f, &made, no);
		if (state == CODEC_GOES_ON && looks_like_bomb(f) && f->counted == 0)
			state = begin_counting(f, no);
	}
	return state;
}

enum inflated inflater_run(struct inflater *f, size_t step, struct refusal *no)
{
	bool snappy = f->encoding == ENCODING_SNAPPY;
	enum codec_state state = snappy ? run_snappy(f, step, no) : run_stream(f, step, no);
	if (state == CODEC_BROKEN)
		return INFLATE_REFUSED;
	return state == CODEC_ENDED ? INFLATE_DONE : INFLATE_MORE;
}

struct body inflater_take(struct inflater *f)
{
	struct body out = f->out;
	f->out = (struct body){0};
	body_finish(&out);
	return out;
}

void inflater_end(struct inflater *f)
{
	if (f->out.ptr != NULL)
		body_free(&f->out, f->budget);
	mem_free(f->scratch);
	f->scratch = NULL;
	f->in = (struct slice){0};
}
