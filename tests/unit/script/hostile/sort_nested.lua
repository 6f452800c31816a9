-- expect: error
local function less(a, b) table.sort({ 1, 2 }, less) return a < b end
on("x", function() table.sort({ 2, 1 }, less) end)
