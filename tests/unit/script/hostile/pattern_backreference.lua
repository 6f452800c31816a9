-- expect: cut time
on("x", function() return (("a"):rep(65536)):find("(.-)%1%1%1b") end)
