-- expect: ok
on("x", function() assert((""):rep(2 ^ 31 - 1) == "" and (""):rep(1e18, "") == "") end)
