-- expect: cut time
-- As many pcalls as fit, in as many coroutines inside each other as fit, and the cut at the bottom of it all.
local function spin() while true do end end
local function deep(n, leaf)
  if n == 0 then return leaf() end
  return (pcall(deep, n - 1, leaf))
end
local function nest(n)
  return deep(600, function()
    local ok = pcall(function() coroutine.wrap(nest)(n + 1) end)
    if not ok then spin() end
  end)
end
on("x", function() while true do nest(1) end end)
