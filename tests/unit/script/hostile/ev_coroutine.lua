-- expect: ok
-- Coroutines that live longer than the call they began in see what `ev` shows then.
local co
on("x", function(ev)
  if co then assert(coroutine.resume(co, "again")) end
  co = coroutine.create(function() local a = ev.a local again = coroutine.yield(a) assert(again == "again" and ev.a == 1) end)
  assert(coroutine.resume(co))
end)
