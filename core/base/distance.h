/* How far apart two names are: for "did you mean …?". */
#ifndef MOONGATE_BASE_DISTANCE_H
#define MOONGATE_BASE_DISTANCE_H

enum { DISTANCE_FAR = 99 };

/* Levenshtein's distance: the fewest bytes to insert, remove or change that make one text the other. DISTANCE_FAR when one has over 63 bytes. Any thread. */
unsigned distance(const char *a, const char *b);

/* The distance up to which a misspelt name of this kind is worth suggesting: a third of it, 3 at most. */
unsigned distance_near(const char *name);

#endif
