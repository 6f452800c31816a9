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

/* Takes the result over and writes {"resultType":…,"result":…} and what belongs behind it into the query's answer; of a large one the beginning, and the rest while it is sent. `limit`: series at most, 0: all; the answer's warnings say when there were
 * more. */
void answer_result(struct query *q, struct promql_result *result, uint32_t limit, const struct answer_stats *stats);

#endif
