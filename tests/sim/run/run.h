/* What the simulation's program is made of: one run is one gateway's history on one disk, life after life, with its clients and what they know. */
#ifndef MOONGATE_SIM_RUN_H
#define MOONGATE_SIM_RUN_H

#include "base/buf.h"
#include "base/thread.h"
#include "config/config.h"
#include "engine/engine.h"
#include "random.h"
#include "scheduler.h"
#include "vdisk.h"

enum {
	CLIENTS_MAX = 8,
	EVENTS_MAX = CLIENTS_MAX * 160,
	TENANTS = 4, /* the last is none */
	SENT_MAX = 300,
	SENT_SERIES = 20,
	OPS = VDISK_LOCK + 1
};

/* ---- book.c: what clients know ---- */

enum event_type { TYPE_MODEL, TYPE_TOOL, TYPE_CHAT, TYPE_HOG, TYPE_FAIL, TYPE_NOISE, TYPE_BOOM, TYPES };

/* An event, and how often it may have been counted: `acked` times at least, `doubtful` times more at most, and once more while it is on its way; those with an
 * id once at most. */
struct event {
	uint32_t number; /* in the book */
	enum event_type type;
	bool anonymous; /* has no id: nothing keeps it from being counted twice */
	uint32_t tenant;
	int32_t volume;
	uint32_t pad; /* bytes of text that it carries */
	enum fate { FATE_NEW, FATE_SENT, FATE_REFUSED, FATE_DOUBT, FATE_ACKED } fate;
	uint32_t acked, doubtful;
	uint32_t acked_now;  /* since the engine came up last */
	uint64_t refused_at; /* how many submissions had been accepted in this life when it was refused */
	uint32_t seen;       /* in the exposition that is being checked */
};

struct book {
	struct event events[EVENTS_MAX];
	uint32_t count, per_client, clients;
	uint64_t accepted; /* submissions, in this life */
};

/* ---- sender.c: samples ---- */

/* A batch of samples, one of each of the first `series`. */
struct sent {
	uint32_t series;
	enum fate fate;
	bool acked_now; /* since the engine came up last */
	uint64_t refused_at;
};

struct sender {
	struct sent batches[SENT_MAX];
	uint32_t count;
	int64_t base_ms; /* of the first batch: when the run begins */
};

/* ---- faults.c: what the disk does ---- */

struct faults {
	struct random random;
	bool on;
	uint32_t fail_every[OPS]; /* operations; 0: never */
	uint32_t short_every;     /* writes and reads */
	uint32_t slow_every;      /* syncs */
	uint64_t capacity;        /* in an episode in which hardly anything more fits; else 0 */
	uint64_t injected;
	int64_t last_ns; /* monotonic: when the last one ended */
};

/* ---- the run ---- */

struct run {
	uint64_t seed;
	uint32_t steps; /* lives at most; 0: as the seed has it */
	bool verbose;
	struct sched *sched;
	struct random random, operator_random;
	struct config config;
	struct vdisk *disk;
	bool retention; /* old segments go: a replay from the first frame is not the whole truth */
	bool interval;  /* durability = "interval": a power loss may take what was acknowledged */
	bool
	    partial; /* the journal alone is not the whole truth: frames went with old segments, or a checkpoint had outlived unsynced ones */
	struct faults faults;
	struct book book;
	struct sender sender;

	/* Of the life under way. */
	uint32_t life;
	const char *life_is; /* "power loss", … */
	struct mutex lock;   /* the book, and what follows */
	struct engine *engine;
	bool last;     /* goes on until everything was accepted */
	bool draining; /* clients are to end */
	bool stopping; /* the engine stops: submissions may be refused */
	bool started;  /* the engine came up */
	bool writable; /* the journal, when the engine had stopped */
	int64_t length_ns;
	struct buf before;  /* what was shown after the engine had stopped */
	struct buf history; /* and what the store had */

	/* Figures. */
	uint64_t lives, crashes, acks, sample_acks, refusals, duplicates, reloads, views, faults_injected, not_started,
	    compared;
	uint64_t disk_changes;
};

/* Says what does not hold, the seed and the command that repeats it, and ends the process. */
_Noreturn void run_failed(struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void run_say(const struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The whole history. Returns the number that stands for everything that happened. */
uint64_t run_seed(struct run *r);

/* ---- book.c ---- */

void book_init(struct run *r);
extern const char *const type_names[TYPES];
/* Is it ever counted? Filters drop or refuse the others. */
bool event_counts(const struct event *e);
/* The life is over, in this way: what was on its way is in doubt. */
void book_close(struct run *r, bool power_lost);
/* The engine has come up: what it found is certain from here on, whatever it is that was acknowledged before. */
void book_settle(struct run *r);
bool book_is_done(const struct run *r, uint32_t client);
/* Holds an exposition against the book. `least`: how often each was acknowledged when it was asked for; NULL: as the book says. Under the lock. */
void book_check(struct run *r, const struct buf *text, const uint32_t *least, const char *when);

/* ---- sender.c ---- */

struct tsdb;
void sender_init(struct run *r);
void *sender_run(void *arg); /* its thread; `arg` is the run */
/* As book_close, book_settle. */
void sender_close(struct run *r, bool power_lost);
void sender_settle(struct run *r);
bool sender_is_done(const struct run *r);
/* Reads beside the engine: batches are seen whole, and those that were acknowledged before are. */
void sender_look(struct run *r, struct tsdb *store);
/* Reads of an engine that rests: what was acknowledged is there, what was refused for good is not. */
void sender_check(struct run *r, struct tsdb *store, const char *when);
/* All series with all their samples, as text; but for the marks of their ends, and zeros. */
void history_show(struct run *r, struct tsdb *store, struct buf *out);

/* ---- scripts.c ---- */

/* Puts a set of scripts on the disk, drawn by `draw`. Returns whether it is one that loads. */
bool scripts_put(struct run *r, uint64_t draw);

/* ---- faults.c ---- */

void faults_draw(struct run *r);
void faults_calm(struct run *r);
/* Makes them act on the run's disk. */
void faults_attach(struct run *r, struct vdisk *d);
/* May something be refused now? Up to 5 s after the last fault. */
bool faults_excuse(const struct run *r);
/* Has any been in this life? */
bool faults_were(const struct run *r);
/* Where the life has faults at all: lets hardly anything more fit, until faults_free_disk. */
void faults_fill_disk(struct run *r);
void faults_free_disk(struct run *r);
/* As vdisk_put, also on a full disk. */
int faults_put(struct run *r, const char *path, const void *bytes, size_t len);

/* ---- client.c ---- */

/* A client's thread; `arg` is a struct client. */
struct client {
	struct run *run;
	uint32_t number;
	struct random random;
	struct thread thread;
};
void *client_run(void *arg);

/* ---- life.c ---- */

/* A life of the engine on the run's disk; `arg` is the run. */
void *life_run(void *arg);
/* Recovers copies of the disk, and holds what they show against each other, the book, and `before` (empty: nothing). */
void life_verify(struct run *r, const struct buf *before);

#endif
