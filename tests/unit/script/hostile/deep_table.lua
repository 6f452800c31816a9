-- expect: any
-- Nested as deeply as memory lets it be: to the collector, to emit and to log.
on("x", function()
  local t = {}
  for _ = 1, 50000 do t = { t } end
  assert(not pcall(emit, "y", t) and not pcall(log.info, "m", t))
  local f = function() end
  for _ = 1, 20000 do local g = f f = function() return g end end
end)
