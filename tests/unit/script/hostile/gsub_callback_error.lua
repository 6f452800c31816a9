-- expect: cut time
on("x", function() while true do pcall(string.gsub, ("x"):rep(1000), ".", function() error {} end) end end)
