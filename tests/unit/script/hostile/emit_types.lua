-- expect: any
-- As many types, names and shapes as there can be.
on("x", function() for i = 1, 1000 do emit(("t%d"):format(i) .. ("y"):rep(100), { ["f" .. i] = i, ["g" .. i] = i }) end end)
on("*", function(ev) local _ = ev.f1 end)
