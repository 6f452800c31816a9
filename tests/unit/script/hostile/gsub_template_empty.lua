-- expect: cut time
-- Captures of nothing: the replacement's items cost time, and no output that the memory limit would see.
on("x", function() return (("a"):rep(1000):gsub("(b*)a", ("%1"):rep(1e6))) end)
