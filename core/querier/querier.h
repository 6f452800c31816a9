/* Where PromQL's series come from: the store of this process, and in time those of others. Promql knows none of them, only a promql_source. */
#ifndef MOONGATE_QUERIER_QUERIER_H
#define MOONGATE_QUERIER_QUERIER_H

#include "promql/promql.h"
#include "tsdb/tsdb.h"

/* What a view of the store shows. The view is borrowed for as long as the source is asked, on one thread at a time. */
struct promql_source querier_of_view(struct tsdb_view *view);

#endif
