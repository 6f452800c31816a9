-- expect: refused takes longer than it may
while true do load(("x=1 "):rep(16000)) end
