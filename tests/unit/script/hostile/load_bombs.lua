-- expect: cut time
on("x", function() while true do load("return " .. ("("):rep(30000)) load(("x=1 "):rep(16000)) load("x=" .. ("{"):rep(60000)) end end)
