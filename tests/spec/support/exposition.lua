-- A reader of the Prometheus text format, for specs: strict where a scraper is.
local exposition = {}
exposition.__index = exposition

local escapes = { n = "\n", ["\\"] = "\\", ['"'] = '"' }

-- Labels from after the brace at `at`, and where the text goes on after the closing one.
local function read_labels(line, at)
  local labels = {}
  while line:sub(at, at) ~= "}" do
    local name, after = line:match('^([%a_][%w_]*)="()', at)
    assert(name, "bad label in: " .. line)
    assert(labels[name] == nil, "label twice in: " .. line)
    local value = {}
    at = after
    while line:sub(at, at) ~= '"' do
      local c = line:sub(at, at)
      assert(c ~= "", "label value without end in: " .. line)
      if c == "\\" then
        at = at + 1
        c = escapes[line:sub(at, at)]
        assert(c, "unknown escape in: " .. line)
      end
      value[#value + 1] = c
      at = at + 1
    end
    labels[name] = table.concat(value)
    at = at + 1
    if line:sub(at, at) == "," then
      at = at + 1
    else
      assert(line:sub(at, at) == "}", "neither a comma nor a brace after a label in: " .. line)
    end
  end
  return labels, at + 1
end

local function key(name, labels)
  local parts = {}
  for label, value in pairs(labels) do
    if value ~= "" then parts[#parts + 1] = label .. "\1" .. value end
  end
  table.sort(parts)
  return name .. "\2" .. table.concat(parts, "\2")
end

local numbers = { ["NaN"] = 0 / 0, ["+Inf"] = math.huge, ["-Inf"] = -math.huge }

-- Reads a whole exposition; raises on anything malformed, and on a sample that is there twice.
function exposition.parse(text)
  local self = setmetatable({ samples = {}, list = {}, types = {}, help = {}, text = text }, exposition)
  assert(text == "" or text:sub(-1) == "\n", "the last line has no line end")
  for line in text:gmatch("([^\n]*)\n") do
    local comment, name, rest = line:match("^# (%u+) ([%w_:]+) ?(.*)$")
    if comment == "TYPE" then
      assert(self.types[name] == nil, "TYPE twice: " .. line)
      self.types[name] = rest
    elseif comment == "HELP" then
      self.help[name] = rest
    elseif line:sub(1, 1) ~= "#" and line ~= "" then
      local sample, at = line:match("^([%a_:][%w_:]*)()")
      assert(sample, "malformed line: " .. line)
      local set = {}
      if line:sub(at, at) == "{" then set, at = read_labels(line, at + 1) end
      local value = line:match("^ (%S+)", at)
      assert(value, "malformed line: " .. line)
      local number = numbers[value] or tonumber(value)
      assert(number, "malformed number: " .. line)
      local k = key(sample, set)
      assert(self.samples[k] == nil, "sample twice: " .. line)
      self.samples[k] = number
      self.list[#self.list + 1] = { name = sample, labels = set, value = number }
    end
  end
  return self
end

-- The value of the sample with exactly these labels, or nil.
function exposition:get(name, labels)
  return self.samples[key(name, labels or {})]
end

-- All samples of a name.
function exposition:all(name)
  local found = {}
  for _, s in ipairs(self.list) do
    if s.name == name then found[#found + 1] = s end
  end
  return found
end

return exposition
