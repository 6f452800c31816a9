-- expect: cut time
local next_match = (("a"):rep(65536)):gmatch(".-.-.-b")
on("x", function() next_match() end)
