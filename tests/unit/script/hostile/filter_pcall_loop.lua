-- expect: filter takes longer than a call may
filter("x", function() while true do pcall(function() while true do end end) end end)
