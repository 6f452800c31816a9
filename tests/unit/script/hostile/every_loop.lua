-- expect: cut time
every("1s", function() while true do end end)
on("x", function() end)
