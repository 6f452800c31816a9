/* What the files of alerts/ that evaluate rules share. */
#ifndef MOONGATE_ALERTS_INTERNAL_H
#define MOONGATE_ALERTS_INTERNAL_H

#include "alerts/alerts.h"
#include "alerts/rule_template.h"
#include "alerts/series_set.h"
#include "record/labels.h"

/* Alerts of an earlier process. Zeroed there are none. */
struct prior {
	struct series_set alerts; /* by their labels, as struct alert has them */
	struct prior_times {
		int64_t active_at_ms; /* found first */
		int64_t down_at_ms;   /* evaluated last */
	} * times;                    /* owned; one each */
	size_t cap;
};
void prior_deinit(struct prior *p);
/* Since when an alert counts as active at `at_ms`, the time in between taken out, unless it was firing. */
int64_t prior_active_at(const struct prior *p, struct slice labels, int64_t at_ms, int64_t for_ms);

/* What one rule has found so far. */
struct rule_state {
	const struct rule *rule;
	const struct rule_group *group;
	struct rule_health health;
	struct series_set written; /* by the last evaluation that succeeded */
	struct series_set ended;   /* that nobody goes on with: of rules that are gone */
	/* Of alerts. */
	struct alert *alerts; /* owned, as what they point to */
	uint32_t alert_count;
	size_t alert_cap;
	struct table by_labels;
	struct prior prior; /* until the first evaluation is over */
};

/* One evaluation of one rule. */
struct evaluation {
	struct rule_state *state;
	const struct rules_env *env;
	int64_t at_ms;     /* the evaluation's time */
	int64_t sample_ms; /* what is asked of, and the time of what is written: earlier by the query offset */
	struct arena arena;
	struct series_set written;
	struct error *err; /* the rule's: it fails, and others go on */
};

/* Each evaluates a rule. 0; -ENOMEM; another negative errno: the rule has failed, and *e->err says why. */
int rule_evaluate_alert(struct evaluation *e);
int rule_evaluate_record(struct evaluation *e);

/* Fills the rule's prior, and `ended` with the series that an earlier process had written of it. The same results. */
int rule_restore(struct evaluation *e);

/* Frees what a rule has found. */
void rule_alerts_free(struct rule_state *s);
/* After alerts have come or gone. 0, -ENOMEM. */
int rule_alerts_index(struct rule_state *s);

/* ---- evaluate.c: what both kinds do ---- */

/* The rule's expression at the evaluation's time: a vector, or a scalar as one without labels. */
int evaluation_query(struct evaluation *e, struct promql_result *out);
/* A sample, which is remembered as written. */
int evaluation_append(struct evaluation *e, struct slice labels, double value);

/* Labels that are set on others: an empty value takes one away. */
struct label_changes {
	struct label items[LABELS_MAX];
	uint32_t count;
};
void label_changes_set(struct label_changes *c, struct slice name, struct slice value);
/* The labels of a sample without its metric's name, changed; canonical, in the arena. 0; -EINVAL with a sentence; -ENOMEM. */
int evaluation_labels(struct evaluation *e, struct slice labels, const struct label_changes *c, struct slice *out);

#endif
