-- expect: cut time
on("x", function() local s = ("aB"):rep(1e5) while true do s:reverse() s:upper() s:lower() s:byte(-1) s:len() end end)
