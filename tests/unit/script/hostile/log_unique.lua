-- expect: cut time
-- Each message is another one, so that sampling by message writes them all.
on("x", function() local i = 0 while true do i = i + 1 log.warn("line " .. i, { text = ("x"):rep(8000), more = ("y"):rep(8000) }) end end)
