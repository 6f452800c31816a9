-- expect: cut time
on("x", function() while true do os.date(("%c"):rep(500)) end end)
