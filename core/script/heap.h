/* The allocator of one Lua state: counts what the state holds and, while a script runs, refuses what goes beyond the cap.
 *
 * A refusal ends the call: LuaJIT raises "not enough memory", which a script could catch, so `refused` stays set and the runner's
 * hook raises again until the call is over. There is no emergency collection in LuaJIT; instead the collector stops pausing when a good part of the cap is used (sandbox.c).
 *
 * Private to script/. Used by the thread that runs the state. */
#ifndef MOONGATE_SCRIPT_HEAP_H
#define MOONGATE_SCRIPT_HEAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/reserve.h"

enum {
	SPARE_SIZES = 8,         /* of small blocks, in steps of 16 bytes from 32 on, as malloc bills them */
	SPARE_BYTES = 256 << 10, /* what is kept of freed small blocks, at most */
};

struct spare {
	struct spare *next;
};

struct heap {
	struct reserve reserve; /* what the state is made in; goes after it */
	size_t used;            /* bytes that the state holds, as malloc takes them */
	size_t mark;            /* growing beyond it is reported once, by on_pressure, which sets a new one */
	size_t cap;             /* bytes that it may hold while `capped` */
	struct spare *spares[SPARE_SIZES]; /* freed small blocks, by size */
	size_t spare_bytes;                /* of them all; not in `used` */
	bool capped;                       /* a script runs */
	bool refused; /* the cap, or the machine, refused memory while a script ran; cleared by whoever ends the call */
	bool starved; /* it was the machine: the script is not to blame */
	void (*on_pressure)(struct heap *h); /* as on_refused, but for lua_gc to set the collector's pace */
	void (*on_refused)(
	    struct heap *h); /* called at a refusal while capped; may not change the state but for lua_sethook */
};

/* Memory was refused to the script outside of the heap: as if the heap had been refused it by the machine. */
void heap_starve(struct heap *h);

/* The state is closed: gives back what is left. */
void heap_deinit(struct heap *h);

/* A lua_Alloc; `ud` is the heap. */
void *heap_alloc(void *ud, void *ptr, size_t old_size, size_t new_size);

#endif
