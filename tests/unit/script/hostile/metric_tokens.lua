-- expect: refused wants a table after its name
local token = counter "waits_total"
assert(not pcall(function() return token.x end) and not pcall(function() token.x = 1 end))
assert(getmetatable(token) == false and not pcall(setmetatable, token, {}))
assert(not pcall(rawset, token) and next(token) == nil)
