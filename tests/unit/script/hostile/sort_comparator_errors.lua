-- expect: cut time
on("x", function() local t = {} for i = 1, 100 do t[i] = i end while true do pcall(table.sort, t, function() error {} end) end end)
