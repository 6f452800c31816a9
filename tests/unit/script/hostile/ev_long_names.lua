-- expect: cut memory
on("x", function(ev)
  local kept = {}
  for i = 1, 60 do
    local name = i .. ("n"):rep(1e6)
    ev[name] = name
    kept[i] = ev[name]
  end
end)
