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
#include "record/samples.h"

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

/* ---- evaluation ----
 *
 * A group's state is what its rules have found so far: which alerts are pending, firing, resolved, and which series a rule has written, so that those that are gone get a stale marker. Its timing is Prometheus's
 * (rules/alerting.go, rules/group.go): an alert is pending from the first evaluation that finds it, firing once that was `for` ago, and resolved with the first evaluation that does not find it, unless `keep_firing_for` holds it. Everything hangs on the times that
 * evaluations are given; no clock is read. One thread at a time. */

enum alert_state { ALERT_INACTIVE, ALERT_PENDING, ALERT_FIRING };
/* "inactive", "pending", "firing". */
const char *alert_state_name(enum alert_state state);

enum {
	ALERT_RESOLVED_KEPT_MS =
	    15 * 60 * 1000,       /* a resolved alert is remembered so long, so that its end can be told again */
	ALERT_TEXT_MAX = 64 << 10 /* bytes of an annotation or label, expanded */
};

struct alert_text {
	struct slice name, value;
};

/* An alert: a set of labels that a rule's expression has found. Owned by its group; it moves with the next evaluation. */
struct alert {
	struct slice labels;                  /* canonical, with alertname */
	const struct alert_text *annotations; /* expanded, in the order of their names */
	uint32_t annotation_count;
	enum alert_state state;                                    /* inactive: resolved */
	double value;                                              /* of the last evaluation that found it */
	int64_t active_at_ms;                                      /* found first */
	int64_t fired_at_ms, resolved_at_ms, keep_firing_since_ms; /* INT64_MIN: not */
};

/* What evaluations work with. Called on the thread that evaluates. */
struct rules_env {
	/* The value of an expression at a time. As promql_eval: *out is freed by the caller where it is 0. */
	int (*query)(void *ctx, const struct promql_expr *expr, struct slice text, int64_t at_ms,
	             struct promql_result *out, struct error *err);
	/* A sample that a rule gives: `labels` are canonical, and borrowed. A stale marker is one too (record/samples.h). 0, or a negative errno: the rule has failed. */
	int (*append)(void *ctx, struct slice labels, int64_t time_ms, double value, struct error *err);
	/* Behind each rule: what it has given is to be there for the next one's query. 0, or a negative errno: the rule has failed. NULL: nothing is to be done. */
	int (*flush)(void *ctx, struct error *err);
	void *ctx;
	const struct alert_text *external_labels; /* $externalLabels, in the order of their names */
	uint32_t external_label_count;
	struct slice external_url; /* without a slash at its end */
	int64_t query_offset_ms;   /* of groups that have none */
};

/* How a rule's last evaluation ended. */
struct rule_health {
	bool evaluated;
	struct error error; /* code 0: it is well */
	int64_t evaluated_at_ms;
	double seconds; /* that it took; the only thing that is read off a clock */
};

struct rules_group;

/* A group without a past. `group` outlives it. NULL: memory is out. */
struct rules_group *rules_group_new(const struct rule_group *group);
void rules_group_free(struct rules_group *g); /* NULL is allowed */

/* Takes over what another group has found, of rules of the same kind and name, each as often as it stands there, in order; series that nobody goes on with are written by the next evaluation as stale. After a reload. 0, -ENOMEM: then nothing was taken. */
int rules_group_adopt(struct rules_group *g, struct rules_group *from);

/* Before the first evaluation of a process: looks up since when alerts had been active, in the series ALERTS_FOR_STATE of the last hour. An alert that is found at the first evaluation goes on from there: it was pending for so long as it had been, without the time in
 * between, and fires at once if that is enough. (Prometheus lets an alert wait for 10 minutes more, and forgets those with a shorter `for`: its data are old at a start. Here they are as new as the journal.) What is not found any more ends with a stale marker. 0; or a negative errno with a sentence: nothing is known of before. */
int rules_group_restore(struct rules_group *g, int64_t at_ms, const struct rules_env *env, struct error *err);

/* Evaluates the rules in order at a time: one that fails does not stop the others. 0; -ENOMEM. */
int rules_group_evaluate(struct rules_group *g, int64_t at_ms, const struct rules_env *env);

/* The group is no more: gives all its series a stale marker. */
int rules_group_end(struct rules_group *g, int64_t at_ms, const struct rules_env *env);

/* What it was made of. */
const struct rule_group *rules_group_of(const struct rules_group *g);
/* How the last evaluation of a rule ended, by its place in the group. Good until the next one. */
const struct rule_health *rules_group_health(const struct rules_group *g, uint32_t rule);
/* The alerts of a rule, resolved ones among them, in the order in which they were found. */
const struct alert *rules_group_alerts(const struct rules_group *g, uint32_t rule, uint32_t *count);

/* ---- the manager: a thread that evaluates the groups of the rule files, each when it is due ----
 *
 * A group is due at multiples of its interval, moved by a share of it that hangs on the group's file and name, so that many groups do not come at once and each comes at the same moments after a restart. What is late by intervals leaves these out, and they are counted.
 * At a start alerts go on from before (rules_group_restore). */

/* Where rules read and write. Called on the manager's thread. */
struct rules_store {
	/* What is there at this moment. 0 and a source, good until `close` of *view. */
	int (*open)(void *ctx, struct promql_source *out, void **view, struct error *err);
	void (*close)(void *ctx, void *view);
	/* Stores samples, and returns when they are durable and to be read. The batch is borrowed. 0, or a negative errno with a sentence. */
	int (*write)(void *ctx, struct sample_batch *samples, struct error *err);
	void *ctx;
};

struct rules_options {
	char *const
	    *files; /* `*` and `?` may stand in them; a pattern that finds none is no error, a name without them is */
	uint32_t file_count;
	int64_t interval_ms;     /* of groups that have none. Default 60 s */
	int64_t query_offset_ms; /* likewise. Default 0 */
	int64_t timeout_ms;      /* of one query; 0: none */
	int64_t lookback_ms;
	uint64_t samples_max, bytes_max; /* of one query, as promql_query has them */
	const struct alert_text *external_labels;
	uint32_t external_label_count;
	struct slice external_url;
	struct rules_store store;
};

struct rules;

/* Reads the files. NULL with a sentence that names file and line, of the first thing that is wrong. What the options point to outlives it. */
struct rules *rules_new(const struct rules_options *options, struct error *err);
/* Starts the thread. 0, or a negative errno with a sentence. */
int rules_start(struct rules *r, struct error *err);
/* Ends the evaluation at work, and the thread. */
void rules_stop(struct rules *r);
void rules_free(struct rules *r); /* NULL is allowed */

/* Reads the files anew and goes on with them, all or nothing; groups of the same file and name keep their state. `done` is called on the manager's thread with 0, or a negative errno and the first sentence; before the start and after the end with -EAGAIN, at once. Any thread; never waits. */
void rules_reload(struct rules *r, void (*done)(void *user, int status, const struct error *err), void *user);

/* A group as it is at this moment. */
struct rules_group_view {
	const struct rules_group *group;
	int64_t interval_ms;
	int64_t evaluated_at_ms; /* INT64_MIN: not yet */
	double seconds;          /* of the last evaluation */
};

/* Calls `each` for the groups, in the order of files and of their text. What it is given is good for the call, in which evaluations wait: it must be short, and not call the manager. Any thread. */
void rules_each_group(struct rules *r, void (*each)(void *ctx, const struct rules_group_view *view), void *ctx);

struct rules_stats {
	uint64_t groups, rules;                 /* now */
	uint64_t evaluations, failures, missed; /* since the start: of rules, of rules, of groups */
	uint64_t pending, firing;               /* alerts now */
	double seconds;                         /* of all evaluations */
};
/* Any thread. */
void rules_stats(struct rules *r, struct rules_stats *out);

#endif
