/* tokens = { { sha256 = "…", scopes = { … } }, … }: who may do what. */
#include <errno.h>

#include "base/hex.h"
#include "base/mem.h"
#include "config/read.h"

static bool parse_sha256(const char *text, size_t len, uint8_t out[32])
{
	if (len != 64)
		return false;
	for (int i = 0; i < 32; i++) {
		int byte = hex_byte(text + (size_t)2 * i);
		if (byte < 0)
			return false;
		out[i] = (uint8_t)byte;
	}
	return true;
}

static int read_scopes(struct reading *r, lua_State *L, struct config_token *token)
{
	static const char *const names[] = {"ingest", "query", "admin"};
	int count = read_list_length(L, CONFIG_TOKENS_MAX);
	if (count < 0)
		return read_refuse(r, "tokens", "scopes that are no list",
		                   "scopes = { \"ingest\", \"query\", \"admin\" } or some of them");
	for (int i = 1; i <= count; i++) {
		lua_rawgeti(L, -1, i);
		const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
		unsigned scope = 0;
		for (unsigned k = 0; k < 3; k++)
			scope |= strcmp(name, names[k]) == 0 ? 1u << k : 0;
		lua_pop(L, 1);
		if (scope == 0)
			return read_refuse(r, "tokens", "an unknown scope", "\"ingest\", \"query\" or \"admin\"");
		token->scopes |= scope;
	}
	return token->scopes != 0 ? 0 : read_refuse(r, "tokens", "a token without scopes", "at least one scope");
}

/* A whole number of requests in a field of the token on the stack's top; none is 0. */
static int read_requests(struct reading *r, lua_State *L, const char *name, uint32_t *out)
{
	lua_getfield(L, -1, name);
	double v = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
	bool none = lua_isnil(L, -1);
	lua_pop(L, 1);
	if (!none && !(v >= 1 && v <= CONFIG_RATE_MAX && v == (double)(uint32_t)v))
		return read_refuse(r, "tokens", "a token's rate or burst that is none",
		                   "a whole number of requests from 1 to 1000000");
	*out = none ? 0 : (uint32_t)v;
	return 0;
}

static int read_rate(struct reading *r, lua_State *L, struct config_token *token)
{
	int code = read_requests(r, L, "rate", &token->rate);
	if (code == 0)
		code = read_requests(r, L, "burst", &token->burst);
	if (code == 0 && token->burst > 0 && token->rate == 0)
		return read_refuse(r, "tokens", "a token's burst without a rate", "rate = requests a second as well");
	return code;
}

static bool is_token_field(const char *key)
{
	static const char *const names[] = {"sha256", "scopes", "rate", "burst"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(key, names[i]) == 0)
			return true;
	}
	return false;
}

/* One { sha256 = …, scopes = { … } } on the stack's top. */
static int read_token(struct reading *r, lua_State *L, struct config_token *token)
{
	if (!lua_istable(L, -1))
		return read_refuse(r, "tokens", "an entry that is no table", "{ sha256 = \"…\", scopes = { … } }");
	for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
		if (!is_token_field(key))
			return read_refuse(r, "tokens", "an unknown field in a token",
			                   "sha256, scopes, rate and burst");
	}
	size_t len = 0;
	lua_getfield(L, -1, "sha256");
	const char *hex = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : "";
	bool fine = parse_sha256(hex, len, token->sha256);
	lua_pop(L, 1);
	if (!fine)
		return read_refuse(r, "tokens", "a sha256 that is none",
		                   "64 hexadecimal digits, as sha256sum prints them for the token's text");
	lua_getfield(L, -1, "scopes");
	int code = read_scopes(r, L, token);
	lua_pop(L, 1);
	return code == 0 ? read_rate(r, L, token) : code;
}

/* Is the last of the first `count` tokens among those before it? Which of the two holds would be anyone's guess. */
static bool is_repeated(const struct config_token *tokens, int count)
{
	for (int i = 0; i < count - 1; i++) {
		if (memcmp(tokens[i].sha256, tokens[count - 1].sha256, sizeof tokens->sha256) == 0)
			return true;
	}
	return false;
}

int read_tokens(struct reading *r, lua_State *L)
{
	int count = read_list_length(L, CONFIG_TOKENS_MAX);
	if (count < 0)
		return read_refuse(r, "tokens", "no list, or a too long one", "a list of at most 256 tokens");
	mem_free(r->config->tokens);
	r->config->tokens = mem_zalloc((size_t)count + 1, sizeof *r->config->tokens);
	r->config->token_count = 0;
	if (r->config->tokens == NULL)
		return error_set(r->err, -ENOMEM, "out of memory for the configuration");
	for (int i = 1; i <= count; i++) {
		lua_rawgeti(L, -1, i);
		int code = read_token(r, L, &r->config->tokens[i - 1]);
		lua_pop(L, 1);
		if (code != 0)
			return code;
		if (is_repeated(r->config->tokens, i))
			return read_refuse(r, "tokens", "the same sha256 twice", "each token once");
		r->config->token_count++;
	}
	return 0;
}
