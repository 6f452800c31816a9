-- expect: cut time
on("x", function() while true do end end)
