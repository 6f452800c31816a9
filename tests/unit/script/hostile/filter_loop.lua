-- expect: filter takes longer than a call may
filter("x", function() while true do end end)
