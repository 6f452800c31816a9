/* Bundles: the texts of all scripts and modules, read from their folders or from saved bytes (FORMAT.md). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "script/internal.h"

enum {
	FORMAT_VERSION = 1,
	FOLDER_DEPTH_MAX = 16,       /* links may lead in circles */
	BUNDLE_BYTES_MAX = 16 << 20, /* all texts together */
	BYTECODE_MARK = 27
};

/* A bundle with what it owns. */
struct bundle {
	struct script_bundle public; /* first */
	struct arena arena;
	size_t cap;
	size_t bytes;
};

static struct bundle *bundle_new(void)
{
	struct bundle *b = mem_zalloc(1, sizeof *b);

	if (b != NULL)
		arena_init(&b->arena);
	return b;
}

void script_bundle_free(struct script_bundle *b)
{
	if (b == NULL)
		return;
	struct bundle *whole = (struct bundle *)b;
	arena_deinit(&whole->arena);
	mem_free(whole->public.files);
	mem_free(whole);
}

/* Adds a file; its slices are copied. 0, or a negative errno with a sentence. */
static int add(struct bundle *b, const struct script_file *f, struct error *err)
{
	struct script_file copy = {
	    .path = arena_copy(&b->arena, f->path),
	    .module = arena_copy(&b->arena, f->module),
	    .text = arena_copy(&b->arena, f->text),
	    .kind = f->kind,
	};
	void *files = b->public.files;

	if (copy.path.ptr == NULL || copy.module.ptr == NULL || copy.text.ptr == NULL ||
	    mem_grow(&files, &b->cap, b->public.count, sizeof copy) != 0)
		return error_set(err, -ENOMEM, "%.*s: out of memory", SLICE_ARG(f->path));
	b->public.files = files;
	b->public.files[b->public.count++] = copy;
	b->bytes += f->text.len;
	if (b->bytes > BUNDLE_BYTES_MAX || b->public.count > FILES_MAX)
		return error_set(err, -EFBIG, "%.*s: the scripts and modules are more than %d files or %d MiB",
		                 SLICE_ARG(f->path), FILES_MAX, BUNDLE_BYTES_MAX >> 20);
	if (f->text.len > 0 && f->text.ptr[0] == BYTECODE_MARK)
		return error_set(err, -EINVAL, "%.*s: this is bytecode; scripts are Lua text", SLICE_ARG(f->path));
	return 0;
}

/* ---- order ---- */

static int by_bytes(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_kind_and_path(const void *a, const void *b)
{
	const struct script_file *x = a;
	const struct script_file *y = b;

	return x->kind != y->kind ? (x->kind > y->kind) - (x->kind < y->kind) : by_bytes(x->path, y->path);
}

/* Two files for one name would make it a matter of luck which is loaded. */
static int check_modules(const struct script_bundle *b, struct error *err)
{
	for (uint32_t i = 0; i < b->count; i++) {
		for (uint32_t k = 0; k < i; k++) {
			const struct script_file *x = &b->files[k];
			const struct script_file *y = &b->files[i];
			if (x->kind == SCRIPT_FILE_MODULE && y->kind == SCRIPT_FILE_MODULE &&
			    slice_eq(x->module, y->module))
				return error_set(err, -EINVAL, "the module \"%.*s\" is both %.*s and %.*s",
				                 SLICE_ARG(x->module), SLICE_ARG(x->path), SLICE_ARG(y->path));
		}
	}
	return 0;
}

static uint64_t hash_slice(uint64_t hash, struct slice s)
{
	return hash_mix(hash, hash_bytes(s.ptr, s.len, 0));
}

static int seal(struct bundle *b, struct script_bundle **out, struct error *err)
{
	int rc = check_modules(&b->public, err);

	if (rc != 0)
		return rc;
	if (b->public.count != 0)
		qsort(b->public.files, b->public.count, sizeof *b->public.files, by_kind_and_path);
	for (uint32_t i = 0; i < b->public.count; i++) {
		const struct script_file *f = &b->public.files[i];
		b->public.hash = hash_mix(b->public.hash, f->kind);
		b->public.hash = hash_slice(b->public.hash, f->path);
		b->public.hash = hash_slice(b->public.hash, f->module);
		b->public.hash = hash_slice(b->public.hash, f->text);
	}
	*out = &b->public;
	return 0;
}

/* ---- from folders ---- */

/* A folder on its way to being read. */
struct reading {
	struct bundle *bundle;
	struct error *err;
	const char *root;  /* the folder that was given */
	const char *name;  /* what messages call it: "scripts" */
	const char *below; /* path below the root, "" or "metrics/" */
	unsigned depth;
	bool folders;  /* go into sub-folders */
	bool required; /* the folder that was given must be there */
};

static bool ends_in_lua(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && strcmp(name + len - 4, ".lua") == 0;
}

/* "lib/users.lua" → "lib.users" */
static struct slice module_name(const char *below, char *out, size_t size)
{
	snprintf(out, size, "%s", below);
	size_t len = strlen(out) - 4;
	for (size_t i = 0; i < len; i++) {
		if (out[i] == '/')
			out[i] = '.';
	}
	return slice_new(out, len);
}

static int read_file(const struct reading *r, const char *below)
{
	char path[4096], shown[WHERE_MAX], module[WHERE_MAX];
	struct buf text = {0};
	struct script_file f = {.kind = SCRIPT_FILE_MODULE, .module = {"", 0}};

	if (snprintf(path, sizeof path, "%s/%s", r->root, below) >= (int)sizeof path ||
	    snprintf(shown, sizeof shown, "%s/%s", r->name, below) >= (int)sizeof shown)
		return error_set(r->err, -ENAMETOOLONG, "%s/%.200s…: the path is too long", r->name, below);
	if (strcmp(shown, "conf/moongate.lua") == 0)
		return 0;
	int rc = file_read_all(path, FILE_BYTES_MAX, &text, r->err);
	if (rc == -ENOENT) /* a caller takes that for a folder that is not there */
		rc = error_set(r->err, -ESTALE, "%s: it was listed, but is not there", shown);
	if (rc == -EFBIG)
		rc = error_set(r->err, rc, "%s: more than %d KiB", shown, FILE_BYTES_MAX >> 10);
	if (rc == 0) {
		f.path = slice_cstr(shown);
		f.text = buf_slice(&text);
		if (strncmp(shown, "scripts/metrics/", 16) == 0)
			f.kind = SCRIPT_FILE_MAIN;
		else
			f.module = module_name(below, module, sizeof module);
		rc = add(r->bundle, &f, r->err);
	}
	buf_free(&text);
	return rc;
}

static int read_folder(const struct reading *r);

static int read_entry(void *ctx, const char *name)
{
	const struct reading *r = ctx;
	char below[WHERE_MAX];

	if (name[0] == '.')
		return 0;
	if (snprintf(below, sizeof below, "%s%s", r->below, name) >= (int)sizeof below - 1)
		return error_set(r->err, -ENAMETOOLONG, "%s/%s…: the path is too long", r->name, r->below);
	if (ends_in_lua(name))
		return read_file(r, below);
	if (!r->folders || strcmp(name, "spec") == 0)
		return 0;
	struct reading inner = *r;
	size_t len = strlen(below); /* there is room for one more */
	below[len] = '/';
	below[len + 1] = '\0';
	inner.below = below;
	inner.depth++;
	return read_folder(&inner);
}

/* Reads a folder; what is no folder, or not there, holds nothing (unless it is required). */
static int read_folder(const struct reading *r)
{
	char path[4096];

	if (r->depth > FOLDER_DEPTH_MAX)
		return error_set(r->err, -ELOOP, "%s/%s: nested too deeply", r->name, r->below);
	if (snprintf(path, sizeof path, "%s/%s", r->root, r->below) >= (int)sizeof path)
		return error_set(r->err, -ENAMETOOLONG, "%s/%s: the path is too long", r->name, r->below);
	int rc = file_list(path, read_entry, (void *)(uintptr_t)r, r->err);
	if (r->required && r->depth == 0)
		return rc;
	return rc == -ENOENT || rc == -ENOTDIR ? 0 : rc;
}

int script_bundle_read(const char *scripts_dir, const char *plugins_dir, const char *conf_dir,
                       struct script_bundle **out, struct error *err)
{
	const struct {
		const char *root, *name;
		bool folders;
	} folders[] = {{scripts_dir, "scripts", true}, {plugins_dir, "plugins", true}, {conf_dir, "conf", false}};
	struct bundle *b = bundle_new();
	int rc = 0;

	if (b == NULL)
		return error_set(err, -ENOMEM, "out of memory for scripts");
	for (size_t i = 0; i < sizeof folders / sizeof *folders && rc == 0; i++) {
		struct reading r = {.bundle = b,
		                    .err = err,
		                    .root = folders[i].root,
		                    .name = folders[i].name,
		                    .below = "",
		                    .folders = folders[i].folders,
		                    .required = i == 0};
		if (r.root != NULL)
			rc = read_folder(&r);
	}
	if (rc == 0)
		rc = seal(b, out, err);
	if (rc != 0)
		script_bundle_free(&b->public);
	return rc;
}

/* ---- saved ---- */

int script_bundle_save(const struct script_bundle *b, struct buf *out)
{
	buf_byte(out, FORMAT_VERSION);
	bytes_put_u32(out, b->count);
	for (uint32_t i = 0; i < b->count; i++) {
		const struct script_file *f = &b->files[i];
		buf_byte(out, (char)f->kind);
		bytes_put_slice(out, f->path);
		bytes_put_slice(out, f->module);
		bytes_put_slice(out, f->text);
	}
	return buf_failed(out) ? -ENOMEM : 0;
}

static int load_file(struct bundle *b, struct slice *saved, struct error *err)
{
	struct script_file f;
	uint8_t kind;

	if (!bytes_get_u8(saved, &kind) || !bytes_get_slice(saved, &f.path) || !bytes_get_slice(saved, &f.module) ||
	    !bytes_get_slice(saved, &f.text))
		return error_set(err, -EBADMSG, "saved scripts end early");
	if (kind > SCRIPT_FILE_MODULE || f.path.len >= WHERE_MAX || f.text.len > FILE_BYTES_MAX)
		return error_set(err, -EBADMSG, "a saved script is damaged");
	f.kind = kind;
	return add(b, &f, err);
}

int script_bundle_load(struct slice saved, struct script_bundle **out, struct error *err)
{
	struct bundle *b = bundle_new();
	uint8_t version;
	uint32_t count = 0;
	int rc = 0;

	if (b == NULL)
		return error_set(err, -ENOMEM, "out of memory for scripts");
	if (!bytes_get_u8(&saved, &version) || !bytes_get_u32(&saved, &count))
		rc = error_set(err, -EBADMSG, "saved scripts end early");
	else if (version != FORMAT_VERSION)
		rc = error_set(err, -EBADMSG, "saved scripts have format %u; this moongate reads %u", version,
		               FORMAT_VERSION);
	for (uint32_t i = 0; i < count && rc == 0; i++)
		rc = load_file(b, &saved, err);
	if (rc == 0 && saved.len != 0)
		rc = error_set(err, -EBADMSG, "%zu bytes behind the saved scripts", saved.len);
	if (rc == 0)
		rc = seal(b, out, err);
	if (rc != 0)
		script_bundle_free(&b->public);
	return rc;
}
