/* Control records and the frame of a checkpoint: any bytes are refused with a sentence, or give parts that lie within them. The first byte chooses; a checkpoint gets its magic, version and
 * checksum, so that the bytes behind them are reached. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "engine/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct slice part, struct slice whole)
{
	CHECK(part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len));
}

static void check_error(int rc, const struct error *err)
{
	CHECK(rc == 0 || (rc == -EBADMSG && err->code == rc && err->text[0] != '\0'));
}

static void parse_checkpoint(struct slice in, struct error *err)
{
	struct checkpoint_parts parts = {0};
	size_t len = 16 + in.len;
	char *bytes = calloc(1, len);

	CHECK(bytes != NULL);
	memcpy(bytes, "MOONCKPT\1\0\0\0", 12);
	memcpy(bytes + 16, in.ptr, in.len);
	uint32_t crc = crc32c(0, bytes + 16, in.len);
	memcpy(bytes + 12, &crc, sizeof crc);
	int rc = checkpoint_parse(slice_new(bytes, len), &parts, err);
	check_error(rc, err);
	for (int i = 0; i < SECTIONS; i++)
		check_inside(parts.sections[i], slice_new(bytes, len));
	free(bytes);
	parts = (struct checkpoint_parts){0};
	check_error(checkpoint_parse(in, &parts, err), err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = {0};
	struct script_cut cut;
	struct quarantine quarantine = {0};
	uint64_t seq;

	if (size < 1)
		return 0;
	struct slice in = slice_new((const char *)data + 1, size - 1);
	switch (data[0] % 4) {
	case 0:
		check_error(control_cut_decode(in, &cut, &err), &err);
		check_inside(cut.script, in);
		break;
	case 1:
		check_error(control_quarantine_decode(in, &quarantine, &err), &err);
		check_inside(quarantine.script, in);
		check_inside(quarantine.reason, in);
		break;
	case 2:
		parse_checkpoint(in, &err);
		break;
	default:
		check_error(control_not_bound_decode(in, &seq, &err), &err);
		break;
	}
	return 0;
}
