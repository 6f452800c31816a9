-- expect: cut time
on("x", function() return (("a"):rep(65536)):match("(.*)(.*)(.*)(.*)b") end)
