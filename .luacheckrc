-- luacheck 1.1. Lua here is LuaJIT's; what operators' scripts see is less, and is listed.
std = "luajit"
max_line_length = 180
exclude_files = { "build*/", "core/script/lib/api.lua" } -- the contract: declarations without bodies

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

files["scripts/"] = script
files["plugins/"] = script
files["conf/"] = { std = "none", read_globals = script.std.read_globals }
files["tests/spec/"] = { std = "luajit+busted" }
files["scripts/spec/"] = { std = "luajit+busted", read_globals = script.std.read_globals }
