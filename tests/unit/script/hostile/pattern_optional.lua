-- expect: cut time
on("x", function() return (("a"):rep(30)):find(("a?"):rep(60) .. ("a"):rep(60) .. "b") or ("a"):rep(3000):find(("a?"):rep(90) .. "b") or ("a"):rep(65536):find(".-.-.-b") end)
