/* The characters of numbers and durations. What is taken here is not yet a number: 1e or 0x are left to whoever reads it. The odd cases are Prometheus's, whose errors name what was taken until then. */
#include <string.h>

#include "promql/lexer.h"

static bool is_one_of(int c, const char *set)
{
	return c > 0 && strchr(set, c) != NULL;
}

static bool next_is(const struct lexer *l, const char *set)
{
	return is_one_of(lexer_byte(l, 0), set);
}

static bool accept(struct lexer *l, const char *set)
{
	bool is = next_is(l, set);
	l->at += is;
	return is;
}

enum step { STEP_NONE, STEP_TAKEN, STEP_WRONG };

/* Behind an underscore or an exponent. */
static enum step and_then(struct lexer *l)
{
	return accept(l, "._eE") || lexer_byte(l, 0) < 0 ? STEP_WRONG : STEP_TAKEN;
}

/* One point, exponent or underscore; of the first two one each. */
static enum step take_mark(struct lexer *l, bool hex, bool *point, bool *exponent)
{
	if (next_is(l, ".")) {
		l->at++;
		if (*point || accept(l, "_.") || hex)
			return STEP_WRONG;
		*point = true;
		return STEP_TAKEN;
	}
	if (next_is(l, "eE")) {
		l->at++;
		if (*exponent)
			return STEP_WRONG;
		*exponent = true;
		accept(l, "+-");
		return and_then(l);
	}
	return accept(l, "_") ? and_then(l) : STEP_NONE;
}

bool lexer_number(struct lexer *l)
{
	const char *digits = "0123456789";
	uint32_t first = l->at;
	bool point = false, exponent = false, hex = false;

	if (accept(l, "0") && accept(l, "xX")) {
		accept(l, "_");
		digits = "0123456789abcdefABCDEF";
		hex = true;
	}
	accept(l, ".");
	accept(l, digits);
	while (next_is(l, digits) || next_is(l, "._eE")) {
		enum step step = take_mark(l, hex, &point, &exponent);
		if (step == STEP_WRONG)
			return false;
		while (step == STEP_NONE && accept(l, digits))
			;
	}
	int next = lexer_byte(l, 0);
	return l->at > first && !is_alpha(next) && !is_digit(next);
}

bool lexer_duration(struct lexer *l)
{
	if (!accept(l, "smhdwy"))
		return false;
	accept(l, "s"); /* of ms; what is no unit is found when it is read */
	while (is_digit(lexer_byte(l, 0))) {
		while (is_digit(lexer_byte(l, 0)))
			l->at++;
		if (!accept(l, "smhdw"))
			return false;
		accept(l, "s");
	}
	int next = lexer_byte(l, 0);
	if (!is_alpha(next) && !is_digit(next))
		return true;
	l->at++; /* is named too */
	return false;
}
