-- expect: cut time
on("x", function() while true do (("("):rep(65536)):find("%b()") end end)
