-- expect: ok
on("x", function()
  for _, f in ipairs { on, filter, every, state, counter, gauge, histogram, summary, distinct, topk, ratio, mean } do
    assert(not pcall(f, "x", print) and not pcall(f, "1s", print))
  end
end)
