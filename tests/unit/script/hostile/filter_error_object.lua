-- expect: filter the error is no text
filter("x", function() error(setmetatable({}, { __tostring = function() while true do end end })) end)
