-- `string` is LuaJIT's, `ours` is moongate's: the same arguments give the same results and the same errors. Returns the number of comparisons.
local patterns = {
  "", "a", "abc", ".", "..", ".*", ".+", ".-", ".?", "^", "$", "^$", "^a", "a$", "^abc$", "^.*$", "^(.*)$",
  "a*", "a+", "a-", "a?", "a*b", "a+b", "a-b", "a?b", "a.c", "a.*c", "a.-c", "a..c",
  "(a)", "(a)(b)", "(a*)(b*)", "((a)(b))", "()", "()a()", "(()())", "(.)", "(.)(.)", "(.-)(.*)", "(.)%1", "(..)%1", "(a*)%1",
  "%a", "%A", "%c", "%C", "%d", "%D", "%g", "%G", "%l", "%L", "%p", "%P", "%s", "%S", "%u", "%U", "%w", "%W", "%x", "%X", "%z", "%Z",
  "%a+", "%d+", "%w+", "%s*", "%s+", "%S+", "%.", "%%", "%$", "%^", "%(", "%)", "%[", "%]", "%*", "%+", "%-", "%?", "%e", "%y", "%\200",
  "[abc]", "[^abc]", "[a-c]", "[^a-c]", "[a-]", "[-a]", "[]]", "[^]]", "[]a]", "[%a]", "[^%a]", "[%d%s]", "[^%d%s]", "[a-z0-9]", "[%]]",
  "[%-]", "[%%]", "[.]", "[*]", "[a%-z]", "[%a-z]", "[a-%%]", "[abc]+", "[^abc]*", "[a-z]+", "[a-z]-c", "[a-z]?", "([a-z]+)", "([^,]*)",
  "([^,]+),", "(%d+)-(%d+)", "(%a+)=(%w*)", "[[]", "[%[]", "[]-]", "[^-]", "[a-c-e]", "[--/]", "[+--]", "[ -~]", "[\1-\31]", "[\128-\255]",
  "%b()", "%b[]", "%b{}", "%b\"\"", "%bxx", "%bab", "(%b())", "%b()x", "%b)(",
  "%f[%a]", "%f[%A]", "%f[a]", "%f[^a]", "%f[%a]%a+", "%f[%a]%a+%f[%A]", "%f[%z]", "%f[^%z]",
  "^%s*(.-)%s*$", "^(%w+)://([^/]+)(.*)$", "(%d%d%d%d)%-(%d%d)%-(%d%d)", "^([%w_.]+)@([%w.]+)$", "%[(.-)%]", "\"(.-)\"",
  "[^%z]", "%z*", "a%zb",
  "(", ")", "((", "(()", "a)", "(a", "%", "a%", "[", "[a", "[^", "[]", "[^]", "[%", "[%]", "[a-", "[a-%", "%b", "%bx", "%f", "%fa", "%f[", "%f[]",
  "%1", "%0", "%9", "(a)%2", "(a%1)", "(%1)", "%2(a)(b)", "()%1", "(()%1)",
  "a**", "a++", "a--", "a??", "a*+", "a+*", "a-+", "+", "*", "-", "?", "^*", "^+", "$$", "^^", "a^b", "a$b", "^a$b", "$a", ".$", "-a", "*a",
  "ab*c?d", "a(b)c(d)", "(a-)(b-)c", "(.-)%s+(.-)%s", "((%a)%a*)", "%a%d%a", "[%w_][%w_]*", "0x%x+", "%-?%d+%.?%d*", "%u%l*", "(%w+) (%w+)",
  "%1%1", "(a)(%1)", "(.)(.)%2%1", ".-.-b", ".*.*b", "a-a-a-b", "(a*)*", "%a*%d*%s*", "e", "é", "[é]", "%w+é",
}
local texts = {
  "", "a", "b", "ab", "abc", "aaa", "aab", "abab", "aaab", "abcabc", "xabcx", "hello world", "  trim me  ", "key=value", "a=1, b=2",
  "foo(bar(baz))x", "[a][b]", "{x{y}}", "\"quoted\" text", "2026-01-02T03:04:05Z", "http://example.com/path?q=1", "user@example.com",
  "10-20 30-40", "THE (quick) fox", "a\0b\0c", "\0", "\0\0", "a.b.c", "a-b-c", "%d", "%", "[", "]", "(", ")", "^a$", "***", "--", "aXbYc", "Hello",
  "0xFF", "-12.5", "tab\tnew\nline", "\1\31\127", "\128\200\255", "é", "caf\195\169", ",,", "a,b,,c", "aaaaaaaaaaaaaaaaaaaa",
  "abcabcabcabcabcabc", "x=1;y=2;z=3", "((((", "))))", "()()", "The End.",
}
local ours, compared = ours, 0

-- Errors are compared without the place and without the function's name, which the test's own calls hide.
local function reason(e) return (tostring(e):gsub("^bad argument #%d+ to '[^']*' ", "bad argument ")) end

local function results(f, ...)
  local r, out = { pcall(f, ...) }, {}
  if not r[1] then return "error: " .. reason(r[2]) end
  for i = 2, table.maxn(r) do out[#out + 1] = type(r[i]) .. ":" .. tostring(r[i]) end
  return table.concat(out, "|")
end

local function compare(name, ...)
  local stock, mine = results(string[name], ...), results(ours[name], ...)
  -- Ours puts the script's place in front of the pattern's errors; here that is the path of the test's script.
  mine = mine:gsub("^error: test: ", "error: "):gsub("^error: [^:]*match_cases%.lua:%d+: ", "error: ")
  stock = stock:gsub("^error: [^:]*match_cases%.lua:%d+: ", "error: ")
  compared = compared + 1
  if stock == mine then return end
  local args = {}
  for i = 1, select("#", ...) do args[i] = ("%q"):format(tostring((select(i, ...)))) end
  error(("%s(%s): stock gives %q, ours %q"):format(name, table.concat(args, ", "), stock, mine), 0)
end

-- gmatch as a function of its arguments.
local function all(gmatch)
  return function(text, pattern)
    local out = {}
    for a, b, c in gmatch(text, pattern) do out[#out + 1] = tostring(a) .. "," .. tostring(b) .. "," .. tostring(c) end
    return table.concat(out, ";")
  end
end
string.all, ours.all = all(string.gmatch), all(ours.gmatch)

for _, p in ipairs(patterns) do
  for _, t in ipairs(texts) do
    compare("find", t, p)
    compare("match", t, p)
    compare("find", t, p, 1, true)
    compare("all", t, p)
    compare("gsub", t, p, "<%0>")
    compare("gsub", t, p, "%1", 1)
  end
end

for _, init in ipairs { -100, -3, -1, 0, 1, 2, 3, 4, 5, 100 } do
  for _, p in ipairs { "", "b", ".", "^b", "(b)", "$", "b*" } do
    compare("find", "abab", p, init)
    compare("find", "abab", p, init, true)
    compare("match", "abab", p, init)
  end
end

local replacements = {
  { a = "x", b = false, c = 7 },
  setmetatable({}, { __index = function(_, k) return k .. k end }),
  function(a, b) return a .. "+" .. tostring(b) end,
  function() end,
  function() return false end,
  function() return {} end,
  "%1%%%0", "%", "%2", "%x", "", "a%", 5, true,
}
for _, r in ipairs(replacements) do
  for _, p in ipairs { "%a", "(%a)", "(a)(b)", "()", ".-", "^a", "z*" } do
    for _, n in ipairs { 0, 1, 2, 100 } do compare("gsub", "abcabc", p, r, n) end
  end
end

compare("find", 12321, 3)
compare("match", ("x"):rep(40), ("(x)"):rep(33)) -- too many captures
compare("match", ("x"):rep(400), ("x?"):rep(250)) -- too complex
compare("find")
compare("find", "a")
compare("gsub", "a", "a")
compare("find", {}, "a")
for _, n in ipairs { -1, 0, 1, 2, 5 } do
  for _, s in ipairs { "", "a", "ab" } do
    compare("rep", s, n)
    compare("rep", s, n, ",")
  end
end
compare("format", "%5.1f %q %s %d %%", 1.25, "a\n\0", true, 3)
compare("format", "%s %s", nil, setmetatable({}, { __tostring = function() return "itself" end }))

-- A NUL in a pattern, which ends the stock one.
assert(ours.find("a\0b", "\0") == 2 and ours.match("a\0\0b", "\0+") == "\0\0" and ours.gsub("a\0b", "[\0]", "-") == "a-b")
assert(ours.find("ab", "a\0") == nil and ours.match("x\0y", "(%a\0%a)") == "x\0y")

assert(#patterns >= 200, #patterns)
return compared
