-- expect: refused more memory than a script may have
pcall(function() local t = {} for i = 1, 1e9 do t[i] = { i } end end)
