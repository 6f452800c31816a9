-- expect: ok
on("x", function(ev)
  local y = coroutine.yield
  local places = {
    function() table.sort({ 3, 2, 1 }, y) end, function() return setmetatable({}, { __index = y }).x end, function() for _ in y do break end end,
    function() return tostring(setmetatable({}, { __tostring = y })) end, function() pcall(y) end, function() xpcall(y, y) end, function() load(y) end,
    function() return setmetatable({}, { __lt = y }) < setmetatable({}, { __lt = y }) end, function() require(y) end, function() return ("x"):format(y()) end,
    function() for _ in ev:fields() do y() end end, function() emit("y", { a = y() }) end }
  for _, place in ipairs(places) do
    local co = coroutine.create(place)
    for _ = 1, 20 do if coroutine.status(co) ~= "suspended" then break end coroutine.resume(co, "y") end
  end
end)
