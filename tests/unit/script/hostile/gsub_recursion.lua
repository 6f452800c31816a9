-- expect: error nested too deeply
local function f(s) return (s:gsub(".", f)) end
on("x", function() f("x") end)
