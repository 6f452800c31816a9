-- expect: cut time
on("x", function() xpcall(error, function() while true do end end) end)
