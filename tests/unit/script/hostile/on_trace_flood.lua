-- expect: refused on.trace: more than 1024 of them
while true do on.trace(print) end
