-- expect: cut time
on("x", function() while true do pcall(require, "endless") end end)
