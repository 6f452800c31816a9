-- expect: cut time
on("x", function() while true do pcall(string.find, ("a"):rep(65536), ".-.-.-.-b") end end)
