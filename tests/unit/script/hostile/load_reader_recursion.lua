-- expect: any
local function f() load(f) return nil end
on("x", function() f() end)
