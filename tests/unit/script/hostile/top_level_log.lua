-- expect: refused takes longer than it may
local i = 0
while true do i = i + 1 log.warn("line " .. i, { text = ("x"):rep(8000) }) end
