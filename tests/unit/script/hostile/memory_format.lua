-- expect: cut memory
on("x", function() local s = ("x"):rep(4e6) return ("%s%s%s%s%s%s%s%s%s%s"):format(s, s, s, s, s, s, s, s, s, s) end)
