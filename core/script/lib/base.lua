-- Functions of the standard library that are rebuilt, because the stock ones run for as long as their arguments say (insert, sort), run
-- code that cannot be stopped (xpcall's handler), nest without bound (pcall), or read files (require). In Lua each step can be interrupted.
local core = ...
local fail, check_depth, globals = core.fail, core.check_depth, core.globals
local type, select, error, tostring, floor = type, select, error, tostring, math.floor
local concat, stock_pcall = table.concat, pcall

-- pcall and xpcall ----------------------------------------------------------------------------------------------------------------

local function pcall(...)
  check_depth()
  return stock_pcall(...)
end

globals.pcall = pcall

local function handled(handler, ok, ...)
  if ok then return true, ... end
  return false, select(2, pcall(handler, ...))
end

function globals.xpcall(f, handler, ...)
  return handled(handler, pcall(f, ...))
end

-- table --------------------------------------------------------------------------------------------------------------------------

local function check_table(t, name)
  if type(t) ~= "table" then fail("bad argument #1 to '" .. name .. "' (table expected, got " .. type(t) .. ")") end
end

function globals.table.insert(t, ...)
  check_table(t, "insert")
  local n, end_ = select("#", ...), #t + 1
  if n == 1 then
    t[end_] = (...)
    return
  end
  local at, value = ...
  if n ~= 2 then fail("wrong number of arguments to 'insert'") end
  if type(at) ~= "number" or at ~= floor(at) or at < 1 or at > end_ then
    fail("bad argument #2 to 'insert' (position out of bounds)")
  end
  for i = end_, at + 1, -1 do t[i] = t[i - 1] end
  t[at] = value
end

local function by_value(a, b) return a < b end

-- Merges from[low..mid] and from[mid+1..high], both in order, into to.
local function merge(from, to, low, mid, high, less)
  local i, j = low, mid + 1
  for k = low, high do
    if i <= mid and (j > high or not less(from[j], from[i])) then
      to[k] = from[i]
      i = i + 1
    else
      to[k] = from[j]
      j = j + 1
    end
  end
end

-- Bottom up, in turns between the table and a copy. Any comparator brings it to an end.
local function merge_sort(t, less)
  local n = #t
  local from, to = t, {}
  local width = 1
  while width < n do
    for low = 1, n, 2 * width do
      local mid = low + width - 1
      local high = mid + width
      merge(from, to, low, mid < n and mid or n, high < n and high or n, less)
    end
    from, to = to, from
    width = 2 * width
  end
  if from ~= t then
    for i = 1, n do t[i] = from[i] end
  end
end

local function sort(t, less)
  check_table(t, "sort")
  if less ~= nil and type(less) ~= "function" then
    fail("bad argument #2 to 'sort' (function expected, got " .. type(less) .. ")")
  end
  local ok, message = pcall(merge_sort, t, less or by_value)
  if ok then return end
  local mine = type(message) == "string" and message:match("^moongate/base%.lua:%d+: (.*)")
  if mine then fail("table.sort: " .. mine) end
  error(message, 0)
end

globals.table.sort = sort
core.sort = sort

-- print --------------------------------------------------------------------------------------------------------------------------

function globals.print(...)
  local texts, n = { ... }, select("#", ...)
  for i = 1, n do texts[i] = tostring(texts[i]) end
  core.print(concat(texts, "\t", 1, n))
end

-- require ------------------------------------------------------------------------------------------------------------------------

local loaded = {}   -- by name
local chain = {}    -- names that are being loaded, outermost first
local chain_call    -- the call that they belong to: one that was cut off leaves its names behind

local function check_cycle(name)
  if chain_call ~= core.call() then
    chain, chain_call = {}, core.call()
  end
  for i = 1, #chain do
    if chain[i] == name then fail("modules require each other: " .. concat(chain, " → ", i) .. " → " .. name) end
  end
end

function globals.require(name)
  if type(name) ~= "string" then fail("require wants the name of a module, got " .. type(name)) end
  local value = loaded[name]
  if value ~= nil then return value end
  check_cycle(name)
  local chunk = core.module(name)
  if not chunk then fail("there is no module \"" .. name .. "\" in scripts/, plugins/ or conf/") end
  chain[#chain + 1] = name
  local ok, result = pcall(chunk, name)
  chain[#chain] = nil
  if not ok then error(core.where() .. ": module \"" .. name .. "\": " .. tostring(result), 0) end
  if result == nil then result = true end
  loaded[name] = result
  return result
end
