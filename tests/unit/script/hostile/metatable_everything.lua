-- expect: ok
-- A metatable on everything that can be reached, and none of moongate's functions trips over it.
local c, s = counter "mt_total" { labels = { "a" } }, state "mt"
local held = {} -- __mode lets the collector take what only those tables hold
for _, t in ipairs { c, s, log, string, table, math, os, bit, coroutine, _G } do for _, v in pairs(t) do held[#held + 1] = v end end
local evil = { __index = function(_, k) return k end, __newindex = function() end, __call = error, __tostring = error, __metatable = "locked", __mode = "kv", __gc = error, __len = error }
on("x", function(ev)
  assert(#held > 0)
  for _, v in ipairs { c, s, log, string, table, math, os, bit, coroutine, _G } do pcall(setmetatable, v, evil) end
  for _, v in ipairs { ev, c:with { a = 1 }, "", 1, print, coroutine.create(print), true } do assert(not pcall(setmetatable, v, evil)) end
  assert(not pcall(setmetatable, c, {}))
  c:inc("a") s:set("k", 1) log.info("fine") assert(ev.a == 1)
  emit("y", setmetatable({ a = 1 }, { __index = error, __newindex = error }))
  log.info("fine", setmetatable({ a = 1 }, { __index = error }))
  c:with(setmetatable({ a = "b" }, { __index = error })):inc()
end)
