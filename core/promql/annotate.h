/* Warnings and infos of an evaluation, from the first to the result. Private to eval.c; nodes call eval_annotate. */
#ifndef MOONGATE_PROMQL_ANNOTATE_H
#define MOONGATE_PROMQL_ANNOTATE_H

#include "promql/eval.h"

/* 0 or -ENOMEM, with the error set. */
int annotations_open(struct eval *ev);
void annotations_close(struct eval *ev);

/* Writes them into the result, in its arena. 0 or -ENOMEM, with the error set. */
int annotations_write(struct eval *ev, struct promql_result *out);

#endif
