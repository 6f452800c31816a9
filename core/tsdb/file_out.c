/* A file that is written once, see file_out.h. */
#include "tsdb/file_out.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

enum { HELD_BYTES = 1024 * 1024 };

static char *join(const char *dir, const char *name, const char *suffix)
{
	struct buf b = {0};
	buf_printf(&b, "%s/%s%s", dir, name, suffix);
	buf_byte(&b, '\0');
	if (!buf_failed(&b))
		return b.ptr;
	buf_free(&b);
	return NULL;
}

static void free_all(struct file_out *o)
{
	if (o->fd >= 0)
		file_close(o->fd);
	mem_free(o->path);
	mem_free(o->temporary);
	mem_free(o->dir);
	buf_free(&o->held);
	memset(o, 0, sizeof *o);
	o->fd = -1;
}

static int failed(const struct file_out *o, int code, const char *what, struct error *err)
{
	return error_set(err, code, "%s cannot be %s: %s", o->temporary, what, strerror(-code));
}

int file_out_open(struct file_out *o, const char *dir, const char *name, struct error *err)
{
	memset(o, 0, sizeof *o);
	o->fd = -1;
	o->dir = mem_strndup(dir, strlen(dir));
	o->path = join(dir, name, "");
	o->temporary = join(dir, name, ".tmp");
	if (o->dir == NULL || o->path == NULL || o->temporary == NULL) {
		free_all(o);
		return error_set(err, -ENOMEM, "out of memory for %s/%s", dir, name);
	}
	/* One that is there goes, rather than being emptied and used again: its sync may have failed. */
	int code = file_unlink(o->temporary);
	if (code == 0 || code == -ENOENT) {
		o->fd = file_open(o->temporary, O_RDWR | O_CREAT | O_EXCL);
		code = o->fd;
	}
	if (code >= 0)
		return 0;
	code = failed(o, code, "made", err);
	free_all(o);
	return code;
}

static int flush(struct file_out *o, struct error *err)
{
	int code = file_pwrite(o->fd, o->held.ptr, o->held.len, (int64_t)(o->at - o->held.len));
	if (code != 0)
		return failed(o, code, "written", err);
	buf_reset(&o->held);
	return 0;
}

/* What is large by itself is not copied first. */
static int write_through(struct file_out *o, struct slice bytes, struct error *err)
{
	int code = flush(o, err);
	if (code != 0)
		return code;
	code = file_pwrite(o->fd, bytes.ptr, bytes.len, (int64_t)o->at);
	if (code != 0)
		return failed(o, code, "written", err);
	o->at += bytes.len;
	return 0;
}

int file_out_write(struct file_out *o, struct slice bytes, struct error *err)
{
	if (bytes.len >= HELD_BYTES)
		return write_through(o, bytes, err);
	buf_slice_append(&o->held, bytes);
	if (buf_failed(&o->held))
		return failed(o, -ENOMEM, "written", err);
	o->at += bytes.len;
	return o->held.len < HELD_BYTES ? 0 : flush(o, err);
}

int file_out_align(struct file_out *o, struct error *err)
{
	static const char zeros[8];
	return file_out_write(o, slice_new(zeros, (8 - o->at % 8) % 8), err);
}

int file_out_finish(struct file_out *o, struct slice header, struct error *err)
{
	int code = flush(o, err);
	if (code == 0 && (code = file_pwrite(o->fd, header.ptr, header.len, 0)) != 0)
		failed(o, code, "written", err);
	if (code == 0 && (code = file_datasync(o->fd)) != 0)
		failed(o, code, "synced", err);
	if (code == 0 && (code = file_rename(o->temporary, o->path)) != 0)
		failed(o, code, "renamed", err);
	if (code != 0) {
		file_out_cancel(o);
		return code;
	}
	code = file_sync_dir(o->dir);
	if (code != 0) {
		/* Its name may be lost, or not: it is made again. */
		error_set(err, code, "%s cannot be synced: %s", o->dir, strerror(-code));
		file_unlink(o->path);
	}
	free_all(o);
	return code;
}

void file_out_cancel(struct file_out *o)
{
	/* Where it cannot be removed the next start does it. */
	if (o->temporary != NULL)
		file_unlink(o->temporary);
	free_all(o);
}
