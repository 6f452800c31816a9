/* What one input may cost (bounds.c): 100 ms of CPU time and 64 MB of memory. */
#ifndef MOONGATE_FUZZ_BOUNDS_H
#define MOONGATE_FUZZ_BOUNDS_H

/* What runs between these two is the test's own work, such as an oracle's, and is not counted. */
void bounds_pause(void);
void bounds_resume(void);

#endif
