-- expect: cut time
on("x", function() local s = "0." .. ("123456789"):rep(1e5) while true do tonumber(s) end end)
