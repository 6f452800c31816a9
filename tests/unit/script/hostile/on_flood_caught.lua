-- expect: refused longer than it may
while true do pcall(on, ("t"):rep(128), print) pcall(filter, ("t"):rep(128), print) pcall(every, "1s", print) end
