-- expect: filter returns "drop", false or nothing
local n, values = 0, { 5, {}, "keep", print, "DROP", 0, "" }
filter("x", function() n = n % #values + 1 return values[n] end)
