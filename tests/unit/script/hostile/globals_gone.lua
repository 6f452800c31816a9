-- expect: error
on("x", function() for k in pairs(_G) do _G[k] = nil end undefined_function() end)
