-- expect: refused more than 1024 of them
while true do on("x", function() end) end
