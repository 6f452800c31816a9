-- expect: ok
on("x", function()
  for _, bad in ipairs { "%", "%%%", "%Ey", "%Od", "%5Y", "%\0", "!%", "%-d", "%_d", "%+" } do assert(not pcall(os.date, bad), bad) end
  for _, bad in ipairs { 1e18, -1e18, 0 / 0, 1 / 0, "x", {}, print } do assert(not pcall(os.date, "%c", bad)) end
  for _, bad in ipairs { { year = 1e10, month = 1, day = 1 }, { year = 2020, month = 0 / 0, day = 1 }, { year = 2020, month = {}, day = 1 }, {} } do
    assert(not pcall(os.time, bad))
  end
  assert(#os.date("%n%t%%") == 3 and type(os.date("*tx")) == "table" and os.date("\0%") == "")
  assert(os.time(setmetatable({ year = 2020, month = 1, day = 1 }, { __index = function() while true do end end })))
end)
