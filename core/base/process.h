/* What the system knows of this process. */
#ifndef MOONGATE_BASE_PROCESS_H
#define MOONGATE_BASE_PROCESS_H

#include <stdint.h>

/* Resident memory in bytes (proc(5), statm), or 0 where the system does not say. Any thread. */
uint64_t process_resident_bytes(void);

/* Open file descriptors, or 0 where the system does not say. Any thread. */
uint64_t process_open_files(void);

/* The calling thread gives way to others: it has some tenth of their share where processors are short, all of what is idle otherwise. For work that nobody
 * waits for. */
void process_give_way(void);

#endif
