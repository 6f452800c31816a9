-- expect: refused the error is no text
error(setmetatable({}, { __tostring = function() while true do end end }))
