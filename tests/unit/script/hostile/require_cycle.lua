-- expect: error modules require each other
on("x", function() require "loop_a" end)
