-- expect: cut time
-- The cut comes inside a callback of gsub inside a pcall inside a coroutine.
on("x", function()
  while true do
    coroutine.wrap(function() pcall(function() return (("aaa"):gsub("a", function() while true do end end)) end) end)()
  end
end)
