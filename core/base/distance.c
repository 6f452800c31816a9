/* Levenshtein's distance, by one row. */
#include "base/distance.h"

#include <string.h>

enum { TEXT_MAX = 63 };

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;
	return m < c ? m : c;
}

unsigned distance(const char *a, const char *b)
{
	unsigned row[TEXT_MAX + 1];
	size_t n = strlen(a), m = strlen(b);
	if (n > TEXT_MAX || m > TEXT_MAX)
		return DISTANCE_FAR;
	for (unsigned k = 0; k <= m; k++)
		row[k] = k;
	for (size_t i = 1; i <= n; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t k = 1; k <= m; k++) {
			unsigned above = row[k];
			row[k] = least(diagonal + (a[i - 1] != b[k - 1]), row[k - 1] + 1, above + 1);
			diagonal = above;
		}
	}
	return row[m];
}

unsigned distance_near(const char *name)
{
	size_t third = (strlen(name) + 1) / 3;
	return third < 3 ? (unsigned)third : 3;
}
