/* What the system knows of this process. */
#ifndef MOONGATE_BASE_PROCESS_H
#define MOONGATE_BASE_PROCESS_H

#include <stdint.h>

/* Resident memory in bytes (proc(5), statm), or 0 where the system does not say. Any thread. */
uint64_t process_resident_bytes(void);

/* Open file descriptors, or 0 where the system does not say. Any thread. */
uint64_t process_open_files(void);

/* How many it may have (RLIMIT_NOFILE); UINT64_MAX where there is no limit. Any thread. */
uint64_t process_max_files(void);

#endif
