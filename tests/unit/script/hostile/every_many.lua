-- expect: refused more than 1024 of them
for i = 1, 1e6 do every(i, function() while true do end end) end
