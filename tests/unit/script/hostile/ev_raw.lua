-- expect: ok
on("x", function(ev)
  assert(getmetatable(ev) == "event" and not pcall(setmetatable, ev, nil))
  assert(not pcall(table.insert, ev, 1) and #ev == 0 and not pcall(table.sort, ev, 1))
  assert(table.concat(ev) == "" and unpack(ev) == nil and select("#", unpack(ev, 1, 3)) == 3)
  assert(not pcall(log.info, "x", ev) and not pcall(emit, "y", ev) and not pcall(emit, "y", { e = ev }))
  for k in pairs(ev:copy()) do assert(k == "a" or k == "type" or k == "time", k) end
end)
