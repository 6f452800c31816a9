-- expect: cut memory
on("x", function() return (("a"):rep(1e6):gsub("", ("b"):rep(1000))) end)
