-- expect: refused takes longer than it may
while true do end
