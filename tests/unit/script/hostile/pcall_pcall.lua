-- expect: cut time
on("x", function() for _ in pcall, pcall do end end)
