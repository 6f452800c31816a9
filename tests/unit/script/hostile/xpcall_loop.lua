-- expect: cut time
local function again() while true do end end
on("x", function() while true do xpcall(again, again) end end)
