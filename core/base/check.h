/* Invariants of our own code, checked in release builds too. Never used on bytes from outside. */
#ifndef MOONGATE_BASE_CHECK_H
#define MOONGATE_BASE_CHECK_H

/* Ends the process with file, line and the broken condition on stderr. Any thread. */
_Noreturn void check_failed(const char *file, int line, const char *condition);

/* `condition` is an invariant: false means a bug in moongate, and going on would be worse than stopping. */
#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

#endif
