-- expect: any
local t = setmetatable({}, { __newindex = function(t, k, v) t[k .. "x"] = v end })
on("x", function() t.a = 1 end)
