-- expect: cut time
on("x", function() return (("ab "):rep(20000)):find("%f[" .. ("c-d"):rep(10000) .. "].-%f[z].-z") end)
