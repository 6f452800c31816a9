/* A regular expression taken apart: what the bounds of regex.cc are reckoned from before RE2 sees a pattern, and what matchers find sets of literals and prefixes in.
 *
 * It judges no pattern; RE2 does. `sure`: RE2 takes it. `lost`: the parser lost its way, at a mistake or at something that RE2 alone understands; the tree is good for estimates and says nothing else. A tree that is neither
 * says what the pattern means, if RE2 takes it. */
#ifndef MOONGATE_BASE_REGEX_TREE_H
#define MOONGATE_BASE_REGEX_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

enum {
	REGEX_DEPTH_MAX = 250,        /* groups within groups: functions that walk a tree call themselves */
	REGEX_UNBOUNDED = UINT32_MAX, /* max of a repetition without one */
};

enum regex_kind {
	REGEX_EMPTY,     /* nothing */
	REGEX_LITERAL,   /* `text`, one or more whole characters */
	REGEX_CLASS,     /* one character of a class, or any */
	REGEX_BEGIN,     /* ^ or \A: the beginning of the text */
	REGEX_END,       /* $ or \z: its end */
	REGEX_ASSERT,    /* any other assertion: \b, \B, ^ and $ of lines */
	REGEX_GROUP,     /* its one child; captures when `captures` */
	REGEX_CONCAT,    /* its children, one behind the other */
	REGEX_ALTERNATE, /* one of its children */
	REGEX_REPEAT     /* its one child, min to max times */
};

struct regex_node {
	struct regex_node *next;  /* the sibling behind it */
	struct regex_node *child; /* the first child */
	enum regex_kind kind;
	bool fold;         /* LITERAL, CLASS: any case */
	bool any;          /* CLASS: every character */
	bool wide;         /* CLASS: may hold characters beyond ASCII, or such that fold to ASCII */
	bool captures;     /* GROUP */
	uint32_t min, max; /* REPEAT */
	union {
		struct slice text; /* LITERAL: UTF-8, in the arena */
		struct {
			uint64_t ascii[2]; /* CLASS: the characters of ASCII in it */
			uint32_t items;    /* what it was written with; */
			uint32_t unicode;  /* and how many of these are classes of Unicode */
		} set;
	};
};

struct regex_tree {
	struct regex_node *root;
	struct slice pattern; /* with (?<name>…) as (?P<name>…); in the arena */
	bool sure, lost;
};

/* Takes a pattern apart, in the arena: some 100 bytes for each of the pattern's. 0; -EINVAL with a sentence (\C, which RE2 has and Go has not), -E2BIG with one (too deep), -ENOMEM. */
int regex_tree_parse(struct slice pattern, struct arena *arena, struct regex_tree *out, struct error *err);

/* An upper bound of the memory, in bytes, that RE2's parser takes for it. */
uint64_t regex_tree_bytes(const struct regex_node *root);

/* In how many places of the pattern a match may be at once while a long text goes by: about what a byte of the text costs where RE2 has to follow each. Places that a text comes by once only
 * are not counted; when a match may begin anywhere (`search`), there are none. Builds in the arena; UINT64_MAX: memory is out. */
uint64_t regex_tree_width(const struct regex_node *root, bool search, struct arena *arena);

#endif
