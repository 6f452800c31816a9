/* Any bytes as a segment or a sealed file of a journal: it opens, and replays what is valid. The first byte chooses; frames of the input get right checksums where their
 * headers are plausible, so that the bytes behind the checksum are reached. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "journal/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64];

static void on_commit(void *ctx, struct journal_group *group)
{
	(void)ctx;
	(void)group;
}

static int replay_frame(void *ctx, const struct frame *f)
{
	struct batch *b = ctx;
	struct error err = {0};
	uint8_t type;
	struct slice payload;
	if (f->kind == FRAME_CONTROL)
		return frame_control(f, &type, &payload, &err) * 0;
	int code = frame_decode(f, b, &err);
	return code == -ENOMEM ? code : 0;
}

/* Gives the header and the first frame checksums that fit. */
static void repair(char *bytes, size_t size, size_t header, uint64_t generation)
{
	uint32_t crc = crc32c(crc32c(0, bytes + 8, 4), bytes + 16, header == 4096 ? 32 : 48);
	uint32_t length;
	memcpy(bytes + 12, &crc, 4);
	if (size < header + 40)
		return;
	memcpy(&length, bytes + header + 4, 4);
	if (length > size - header - 40)
		return;
	crc = crc32c(0, &generation, 8);
	crc = crc32c(crc, bytes + header, 36);
	crc = crc32c(crc, bytes + header + 40, length);
	memcpy(bytes + header + 36, &crc, 4);
}

static void journal_over(const char *name, const char *bytes, size_t size)
{
	char path[128];
	struct error err = {0};
	struct journal_recovery found;
	snprintf(path, sizeof path, "%s/%s", dir, name);
	if (file_write_atomic(path, bytes, size, &err) != 0)
		abort();
	const struct journal_options options = {
	    .dir = dir, .segment_bytes = 1 << 20, .retention_bytes = 1 << 30, .on_commit = on_commit};
	struct journal *j = journal_open(&options, &found, &err);
	struct batch *b = batch_new();
	if (j != NULL && b != NULL)
		journal_replay(j, 0, 0, replay_frame, b, &err);
	batch_free(b);
	journal_close(j);
	file_unlink(path);
}

static void remove_dir(void)
{
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	if (system(command) != 0)
		perror(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { HEADER = 4096, SEALED_HEADER = 64 };
	if (dir[0] == '\0') {
		struct error err;
		log_start(&(struct log_options){.level = LOG_FATAL, .to_stdout = false}, &err);
		/* Where syncing costs nothing: nothing of it is to be tested here. */
		snprintf(dir, sizeof dir, "%s/moongate-fuzz-XXXXXX",
		         access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		if (mkdtemp(dir) == NULL)
			abort();
		atexit(remove_dir);
	}
	if (size < 2 || size > 65536)
		return 0;
	bool sealed = data[0] & 1, repaired = data[0] & 2;
	size_t header = sealed ? SEALED_HEADER : HEADER;
	/* The part of a segment's header that is not used is not worth the fuzzer's bytes. */
	size_t given = size - 1 < 64 ? size - 1 : 64;
	size_t len = header + (size - 1 - given);
	char *bytes = calloc(1, len + 64);
	memcpy(bytes, sealed ? "MOONSEAL\1\0\0\0" : "MOONSEGM\1\0\0\0", 12);
	memcpy(bytes + 16, data + 1, given < 48 ? given : 48);
	memcpy(bytes + header, data + 1 + given, size - 1 - given);
	if (repaired)
		repair(bytes, len, header, sealed ? 0 : 7);
	journal_over(sealed ? "events-00000000000000000001-00000000000000000002.sealed"
	                    : "segment-00000000000000000007.open",
	             bytes, len);
	free(bytes);
	return 0;
}
