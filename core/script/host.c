/* The host: the watchdog, the states and the strikes; what outlives a set of scripts. FORMAT.md says how it is saved. */
#include <errno.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "script/internal.h"

enum { FORMAT_VERSION = 1 };

struct script_host *script_host_new(const struct script_options *options, struct registry *registry, struct error *err)
{
	struct script_host *h = mem_zalloc(1, sizeof *h);

	if (h == NULL) {
		error_set(err, -ENOMEM, "out of memory for the host of scripts");
		return NULL;
	}
	h->options = *options;
	h->registry = registry;
	h->watch.backstop = true;
	h->states = state_store_new((uint64_t)options->state_mb << 20);
	if (h->states == NULL)
		error_set(err, -ENOMEM, "out of memory for the host of scripts");
	else
		h->watchdog = watchdog_new(err);
	if (h->watchdog == NULL) {
		script_host_free(h);
		return NULL;
	}
	return h;
}

void script_host_free(struct script_host *h)
{
	if (h == NULL)
		return;
	watchdog_free(h->watchdog);
	state_store_free(h->states);
	mem_free(h->strikes);
	mem_free(h);
}

uint64_t script_host_starved(const struct script_host *h)
{
	return h->starved;
}

int script_host_set_backstop(struct script_host *h, const char *path)
{
	return watchdog_set_backstop(h->watchdog, path);
}

/* ---- strikes ---- */

static uint64_t hash_path(const char *path)
{
	return hash_bytes(path, strlen(path), 0);
}

static void forget_old_strikes(struct script_host *h)
{
	uint32_t old = 0;

	while (old < h->strike_count && h->strikes[old].time_ns <= h->now_ns - STRIKE_NS)
		old++;
	h->strike_count -= old;
	if (old != 0 && h->strike_count != 0)
		memmove(h->strikes, h->strikes + old, h->strike_count * sizeof *h->strikes);
}

uint32_t host_strike(struct script_host *h, const char *path)
{
	uint64_t script = hash_path(path);
	uint32_t n = 0;

	forget_old_strikes(h);
	void *strikes = h->strikes;
	if (mem_grow(&strikes, &h->strike_cap, h->strike_count, sizeof *h->strikes) != 0)
		return h->options.strikes; /* nothing can be noted: better one quarantine too early */
	h->strikes = strikes;
	h->strikes[h->strike_count++] = (struct strike){script, h->now_ns};
	for (uint32_t i = 0; i < h->strike_count; i++)
		n += h->strikes[i].script == script;
	return n;
}

/* ---- states, on disk ---- */

int script_state_save(const struct script_host *h, struct buf *out)
{
	buf_byte(out, FORMAT_VERSION);
	bytes_put_u64(out, (uint64_t)h->now_ns);
	bytes_put_u32(out, h->strike_count);
	for (uint32_t i = 0; i < h->strike_count; i++) {
		bytes_put_u64(out, h->strikes[i].script);
		bytes_put_u64(out, (uint64_t)h->strikes[i].time_ns);
	}
	return state_store_save(h->states, out);
}

static int load_strikes(struct slice *in, struct strike **out, uint32_t *count, struct error *err)
{
	if (!bytes_get_u32(in, count) || *count > in->len / 16)
		return error_set(err, -EBADMSG, "the saved states end early");
	struct strike *strikes = mem_zalloc(*count, sizeof *strikes);
	if (strikes == NULL)
		return error_set(err, -ENOMEM, "out of memory for states");
	for (uint32_t i = 0; i < *count; i++) {
		uint64_t time = 0;
		bool there = bytes_get_u64(in, &strikes[i].script) && bytes_get_u64(in, &time);
		CHECK(there); /* the count was held against the length */
		strikes[i].time_ns = (int64_t)time;
	}
	*out = strikes;
	return 0;
}

int script_state_load(struct script_host *h, struct slice saved, struct error *err)
{
	struct strike *strikes = NULL;
	uint32_t count = 0;
	uint8_t version;
	uint64_t now;

	if (!bytes_get_u8(&saved, &version) || !bytes_get_u64(&saved, &now))
		return error_set(err, -EBADMSG, "the saved states end early");
	if (version != FORMAT_VERSION)
		return error_set(err, -EBADMSG, "the saved states have format %u; this moongate reads %u", version,
		                 FORMAT_VERSION);
	int rc = load_strikes(&saved, &strikes, &count, err);
	if (rc == 0)
		rc = state_store_load(h->states, saved, err);
	if (rc != 0) {
		mem_free(strikes);
		return rc;
	}
	mem_free(h->strikes);
	h->strikes = strikes;
	h->strike_count = count;
	h->strike_cap = count;
	h->now_ns = (int64_t)now;
	h->restored = true;
	return 0;
}
