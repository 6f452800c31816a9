/* Templates of rules. */
#ifndef MOONGATE_ALERTS_RULE_TEMPLATE_H
#define MOONGATE_ALERTS_RULE_TEMPLATE_H

#include "base/error.h"
#include "base/slice.h"

/* Is it one? 0; -EINVAL with Prometheus's sentence; -ENOMEM. */
int rule_template_check(struct slice alert, struct slice text, struct error *err);

#endif
