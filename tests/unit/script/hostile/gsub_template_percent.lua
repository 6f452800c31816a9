-- expect: cut memory
on("x", function() return (("a"):rep(1e5):gsub("a", ("%0"):rep(1e5))) end)
