-- expect: ok
on("x", function(ev)
  for _, bad in ipairs { { f = print }, { n = 0 / 0 }, { n = 1 / 0 }, { [5] = 1 }, { type = "x" }, { time = "soon" }, { time = -1 }, { id = {} },
    { [("k"):rep(300)] = 1 }, { t = { [1.5] = 2 } } } do
    assert(not pcall(emit, "y", bad))
  end
  assert(not pcall(emit) and not pcall(emit, "") and not pcall(emit, 5) and not pcall(emit, "y", 5) and not pcall(emit, "y", ev))
end)
