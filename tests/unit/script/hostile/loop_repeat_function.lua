-- expect: cut time
local function f() return 1 end
on("x", function() repeat f() until false end)
