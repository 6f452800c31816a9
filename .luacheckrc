-- luacheck 1.1. Lua here is LuaJIT's; what operators' scripts see is less, and is listed.
std = "luajit"
max_line_length = 150
max_comment_line_length = 200
ignore = { "512" } -- a loop that ends in its first round: how the first of pairs() is taken
exclude_files = { "build*/", "tests/unit/script/hostile/" } -- those break the rules on purpose

local constructors = {
  "counter", "gauge", "histogram", "summary", "distinct", "topk", "ratio", "mean", "state",
  "on", "filter", "every", "emit", "now", "check",
  "alert", "record", "dashboard", "row", "variable", "sample",
}

local script = {
  std = {
    read_globals = {
      "assert", "error", "ipairs", "next", "pairs", "pcall", "xpcall", "print", "rawequal", "rawget", "rawset", "require", "select",
      "setmetatable", "getmetatable", "tonumber", "tostring", "type", "unpack", "_VERSION",
      string = { other_fields = true }, table = { other_fields = true }, math = { other_fields = true },
      coroutine = { other_fields = true }, os = { fields = { "time", "date" } }, bit = { other_fields = true },
      log = { fields = { "debug", "info", "warn", "error" } },
      panel = { other_fields = true },
    },
  },
}
for _, name in ipairs(constructors) do table.insert(script.std.read_globals, name) end

-- Declarations with annotations and empty bodies: nothing in it runs.
files["core/script/lib/api*.lua"] = { ignore = { "1", "21", "24", "63" } }
files["scripts/"] = script
files["plugins/"] = script
files["conf/"] = { std = "none", read_globals = script.std.read_globals }
files["tests/unit/script/match_cases.lua"] = { read_globals = { ours = { other_fields = true, read_only = false } }, ignore = { "142" } }
files["tests/spec/"] = { std = "luajit+busted" }
files["scripts/spec/"] = { std = "luajit+busted", read_globals = script.std.read_globals }
