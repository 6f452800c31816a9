#include "record/span.h"

const char *const span_kind_names[SPAN_KINDS] = {"unspecified", "internal", "server", "client", "producer", "consumer"};
const char *const span_status_names[SPAN_STATUSES] = {"unset", "ok", "error"};
