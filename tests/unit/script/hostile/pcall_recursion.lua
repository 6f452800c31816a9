-- expect: cut time
local function f() pcall(f) pcall(f) end
on("x", function() f() end)
