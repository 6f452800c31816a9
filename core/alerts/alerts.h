/* Rules: what is computed again and again from the metrics, and what is to wake somebody.
 *
 * Rule files are Prometheus's (https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/): groups of rules that run in order, each `record` or `alert`. What promtool takes is taken, and what it refuses refused; of Prometheus 3
 * there are, beyond the promtool of Debian 12: names of labels and recorded metrics in any UTF-8 (without braces in the latter), `query_offset` and `labels` of a group, the functions and operators of its PromQL, and the template functions now, toDuration and urlQueryEscape. */
#ifndef MOONGATE_ALERTS_ALERTS_H
#define MOONGATE_ALERTS_ALERTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"
#include "promql/promql.h"

/* A label or annotation of a rule: its value is a template's text. */
struct rule_text {
	struct slice name, text;
	uint32_t line;
};

enum rule_kind { RULE_RECORDING, RULE_ALERTING };

struct rule {
	enum rule_kind kind;
	uint32_t line;     /* of its name in the file, from 1 */
	struct slice name; /* the alert's, or the recorded metric's */
	struct slice expr_text;
	const struct promql_expr *expr;
	int64_t for_ms, keep_firing_for_ms;           /* of alerts; 0 where they are not given */
	const struct rule_text *labels, *annotations; /* in the order of their names */
	uint32_t label_count, annotation_count;
};

struct rule_group {
	struct slice name, file;
	uint32_t line;
	int64_t interval_ms;            /* 0: as the configuration says */
	int64_t query_offset_ms;        /* how far in the past it is evaluated; −1: as the configuration says */
	int64_t limit;                  /* of series or alerts of one rule; 0: none */
	const struct rule_text *labels; /* that all its rules have, where they have no own; texts, not templates */
	uint32_t label_count;
	const struct rule *rules;
	uint32_t rule_count;
};

struct rule_file {
	struct slice path;
	const struct rule_group *groups;
	uint32_t group_count;
};

enum { RULE_FILE_BYTES_MAX = 16 << 20, RULES_MAX = 100000 /* of a file */ };

/* Reads a rule file's text. Everything lies in the arena; `path` names it in messages. Each thing that is wrong is told to `report`, one sentence that begins with "path:line: "; reading goes on behind it, with the rule or group that it is
 * in left out. Returns how many there were, or -ENOMEM. Any thread. */
int rule_file_read(struct slice path, struct slice text, struct arena *arena, struct rule_file *out,
                   void (*report)(void *ctx, const struct error *err), void *ctx);

/* What annotations and labels see before their own text, as Prometheus has it: $labels, $externalLabels, $externalURL, $value. */
extern const struct slice rule_template_prefix;

#endif
