-- expect: cut time
on("x", function() return (("a"):rep(65536)):find(".-.-.-.-b") end)
