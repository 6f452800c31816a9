/* What an evaluation came to, in Prometheus's JSON. */
#ifndef MOONGATE_API_PROMQL_ANSWER_H
#define MOONGATE_API_PROMQL_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "promql/promql.h"

struct query;

struct answer_stats {
	bool wanted; /* by the parameter `stats` */
	int64_t begun_ns, evaluated_ns;
};

/* Writes {"resultType":…,"result":…} and what belongs behind it into the query's answer. `limit`: series at most, 0: all; the answer's warnings say when there were more. */
void put_result(struct query *q, const struct promql_result *r, uint32_t limit, const struct answer_stats *stats);

#endif
