-- expect: cut time
on("x", function() return (("a"):rep(65536)):gsub("a-a-a-b", "") end)
