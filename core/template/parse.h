/* The parser's parts: expressions (parse.c), constants (constant.c), blocks and definitions (parse_block.c). */
#ifndef MOONGATE_TEMPLATE_PARSE_H
#define MOONGATE_TEMPLATE_PARSE_H

#include <stdarg.h>
#include <stdio.h>

#include "template/internal.h"

struct parser {
	struct template_set *set;
	struct slice file; /* the name that messages have */
	struct lexer lexer;
	struct token ahead;
	uint32_t last_end; /* behind the last token that was taken */
	uint32_t depth;
	uint32_t ranges; /* that are open: break and continue want one */
	struct slice variables[TEMPLATE_VARIABLES_MAX];
	uint32_t variable_count;
	struct error *err;
};

/* Sets the error with the place of a byte; returns -EINVAL. */
int template_parser_fail(struct parser *p, uint32_t at, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The token ahead, which is taken; the one behind it is read. */
struct token template_parser_take(struct parser *p);
void template_parser_skip_space(struct parser *p);
/* The token ahead may not stand here: says so. */
int template_parser_unexpected(struct parser *p, const char *where);
/* One level deeper: the caller takes it back from `depth`. */
int template_parser_enter(struct parser *p);

int template_parse_pipeline(struct parser *p, const char *context, const struct pipeline **out);
/* The same, and the end of its action; and that end alone. */
int template_parse_action_pipeline(struct parser *p, const char *context, const struct pipeline **out);
int template_parse_close(struct parser *p, const char *context);

/* The value of a number, string, raw string or character. */
int template_parse_constant(struct parser *p, const struct token *t, struct template_value *out);

#endif
