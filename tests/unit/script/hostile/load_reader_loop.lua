-- expect: cut time
on("x", function() load(function() while true do end end) end)
