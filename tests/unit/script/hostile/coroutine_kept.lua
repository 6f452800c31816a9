-- expect: cut time
-- The coroutine that was cut off is dead; another one that waits is not.
local waits = coroutine.create(function() while true do coroutine.yield(1) end end)
local cut
on("x", function()
  if cut then assert(coroutine.status(cut) == "dead" and coroutine.resume(waits)) end
  cut = coroutine.create(function() while true do end end)
  coroutine.resume(waits)
  coroutine.resume(cut)
end)
