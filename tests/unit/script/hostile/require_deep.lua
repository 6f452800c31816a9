-- expect: any
on("x", function() require "deep_1" end)
