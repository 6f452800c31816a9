-- expect: cut time
on("x", function() return (("("):rep(1e6)):find("%b()x") or ("("):rep(1e6):gsub("%b()", "") end)
