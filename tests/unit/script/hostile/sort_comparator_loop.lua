-- expect: cut time
on("x", function() table.sort({ 2, 1 }, function() while true do end end) end)
