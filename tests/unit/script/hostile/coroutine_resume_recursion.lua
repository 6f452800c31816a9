-- expect: ok
local deepest = 0
local function f(n)
  deepest = math.max(deepest, n)
  return coroutine.resume(coroutine.create(f), n + 1)
end
on("x", function() f(1) assert(deepest > 10 and deepest < 10000) end)
