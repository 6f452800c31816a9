/* What another implementation says: simdjson, for tests and benches of our own JSON decoder. */
#ifndef MOONGATE_TESTS_ORACLE_H
#define MOONGATE_TESTS_ORACLE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { ORACLE_PADDING = 64 };

enum oracle_verdict {
	ORACLE_VALID,
	ORACLE_INVALID,
	ORACLE_BEYOND /* a number or a depth that simdjson does not take, whether well-formed or not */
};

/* Is the text one JSON value? `text` has ORACLE_PADDING readable bytes behind it. */
enum oracle_verdict oracle_json(const char *text, size_t len);

/* Reads every value of objects, one a line, with simdjson's On-Demand interface, as strictly as a decoder has to: every name and string unescaped, every number parsed.
 * The number of values, or −1. The same padding. */
long oracle_walk(const char *text, size_t len);

/* The same with its DOM interface, which builds a tape first. */
long oracle_dom(const char *text, size_t len);

#ifdef __cplusplus
}
#endif

#endif
