-- expect: cut time
on("x", function() while true do pcall(function() while true do end end) end end)
