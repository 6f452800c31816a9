-- expect: error nested too deeply
local function f() return coroutine.wrap(f)() + 1 end
on("x", function() f() end)
