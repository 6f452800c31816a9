-- expect: cut memory
on("x", function() local t, s = {}, ("x"):rep(1e6) for i = 1, 100 do t[i] = s end print(unpack(t)) end)
