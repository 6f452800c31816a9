-- expect: error
local n = 0
local objects = { {}, print, true, 5, 0 / 0, setmetatable({}, { __tostring = error }), coroutine.create(print), ("x"):rep(1e6), "\0\n\255" }
on("x", function() n = n % #objects + 1 error(objects[n], n % 3) end)
