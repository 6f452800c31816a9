-- expect: cut time
on("x", function() while true do pcall(require, "loop_a") end end)
