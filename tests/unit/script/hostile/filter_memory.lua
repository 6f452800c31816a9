-- expect: filter needs more memory than a script may have
filter("x", function() local t = {} for i = 1, 1e9 do t[i] = { i } end end)
