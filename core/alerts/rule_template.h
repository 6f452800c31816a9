/* Templates of rules. */
#ifndef MOONGATE_ALERTS_RULE_TEMPLATE_H
#define MOONGATE_ALERTS_RULE_TEMPLATE_H

#include "alerts/alerts.h"

/* Is it one? 0; -EINVAL with Prometheus's sentence; -ENOMEM. */
int rule_template_check(struct slice alert, struct slice text, struct error *err);

/* What a template of a sample sees. */
struct rule_template_data {
	const struct rules_env *env;
	struct slice alert;  /* the alert's name, for messages */
	struct slice labels; /* of the sample, canonical, its metric's name among them */
	double value;
	int64_t at_ms; /* what query() asks of */
};

/* Appends the expanded text, or "<error expanding template: …>": an alert is never stopped by its texts. 0, -ENOMEM. */
int rule_template_expand(const struct rule_template_data *data, struct slice text, struct buf *out);

#endif
