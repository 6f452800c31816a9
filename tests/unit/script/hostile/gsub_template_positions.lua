-- expect: any
on("x", function() return (("a"):rep(1e5):gsub("()a", ("%1"):rep(1e4))) end)
