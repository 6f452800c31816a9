/* Bodies of events: made once, then only their ids, users and what is counted by them change between sends, so that the generator stays cheap beside the
 * server. */
#ifndef MOONGATE_BENCH_BODY_H
#define MOONGATE_BENCH_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct body {
	char *bytes; /* head and body of the request */
	size_t len;
	size_t *ids;    /* offset of each event's id digits */
	size_t *users;  /* offset of each event's user digits */
	size_t *values; /* offset of each event's value digits; NULL without books */
	uint64_t sum;   /* of the values it has now */
};

struct body_options {
	const char *host, *port, *path;
	uint32_t events, users;
	bool books; /* events of type "load" with a value that follows from the id; else model and tool calls */
	/* In each event of books: random bytes of a text; and items of an array, which take eight times their bytes once they are decoded. */
	uint32_t pad, items;
};

/* Seeds the draws: the same bodies for the same seed. */
void body_seed(uint64_t seed);

/* Makes a body. Memory that is not there ends the program. */
void body_make(struct body *b, const struct body_options *o);

/* Another body with the bytes of `from`: as good, since models repeat, and ids and users are given anew. */
void body_copy(struct body *b, const struct body *from);

/* Gives every event the next id, a user drawn anew, and its value. */
void body_renumber(struct body *b, const struct body_options *o, uint64_t *next_id);

#endif
