-- expect: cut time
on("x", function() return (("x"):rep(1e6)):find("[" .. ("a"):rep(30000) .. "]") end)
