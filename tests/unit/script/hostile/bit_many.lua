-- expect: cut time
on("x", function() local t = {} for i = 1, 7000 do t[i] = i end while true do bit.bxor(unpack(t)) math.max(unpack(t)) string.char(unpack(t, 1, 200)) end end)
