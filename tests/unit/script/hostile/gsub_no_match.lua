-- expect: cut time
on("x", function() while true do (("a"):rep(1e6)):gsub("b", "c") end end)
