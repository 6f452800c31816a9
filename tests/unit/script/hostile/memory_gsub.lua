-- expect: cut memory
on("x", function() return (("x"):rep(1e5):gsub("x", ("y"):rep(1e4))) end)
