-- expect: cut time
on("x", function() for _ in (("a"):rep(65536)):gmatch(".-.-.-b") do end end)
