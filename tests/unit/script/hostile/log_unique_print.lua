-- expect: cut time
on("x", function() local i = 0 while true do i = i + 1 print(i, ("z"):rep(8000)) end end)
