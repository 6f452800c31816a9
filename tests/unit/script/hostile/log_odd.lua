-- expect: ok
on("x", function(ev)
  for _, bad in ipairs { { [1] = 1 }, { ["a b"] = 1 }, { [""] = 1 }, { f = print }, { [("x"):rep(65)] = 1 } } do assert(not pcall(log.info, "m", bad)) end
  local many = {} for i = 1, 17 do many["f" .. i] = i end
  assert(not pcall(log.info, "m", many) and not pcall(log.info) and not pcall(log.info, "m", 5) and not pcall(log.info, "m", ev))
  log.warn(("x"):rep(1e6), { s = ("y"):rep(1e6), n = 0 / 0, b = true })
end)
