-- Makes docs/lua.md from the contract of operators' scripts: luajit tools/luadoc.lua core/script/lib/api*.lua > docs/lua.md
--
-- Reads comment blocks of "---" lines with LuaLS annotations and the declaration behind each. Text is kept as it is; @param, @return and @field become lists; a block without a
-- declaration is text of its own, and headings in it are the page's.
assert(arg[1], "usage: luajit tools/luadoc.lua api.lua …")

-- The last word of a type ends before the description; types have spaces only inside brackets and after "," ":" "|".
local function split_type(text)
  local depth, at = 0, 1
  while at <= #text do
    local c = text:sub(at, at)
    if c:find("[%(<{]") then depth = depth + 1 elseif c:find("[%)>}]") then depth = depth - 1 end
    if c == " " and depth == 0 and not text:sub(at - 1, at - 1):find("[,:|]") and text:sub(at + 1, at + 1) ~= "|" then
      return text:sub(1, at - 1), text:sub(at + 1)
    end
    at = at + 1
  end
  return text, ""
end

local function item(name, rest)
  local kind, description = split_type(rest)
  local optional = name:sub(-1) == "?"
  if optional then name = name:sub(1, -2) end
  return ("- `%s`: `%s`%s%s"):format(name, kind, optional and ", optional" or "", description ~= "" and "; " .. description or "")
end

local out = {}
local function put(line) out[#out + 1] = line end

local function put_list(title, list)
  if #list == 0 then return end
  put("")
  if title then put(title) put("") end
  for _, line in ipairs(list) do put(line) end
end

local function put_text(text)
  while text[1] == "" do table.remove(text, 1) end
  for _, line in ipairs(text) do put(line) end
end

local function declaration_title(line)
  local name, parameters = line:match("^function ([%w_.:]+)(%b())")
  if name then return name .. parameters end
  return nil
end

-- One block with the line behind it.
local function put_block(block, line)
  local title = declaration_title(line)
  if block.class and #block.fields > 0 then
    put("")
    put("### `" .. block.class .. "`")
    put("")
    put_text(block.text)
    put_list(nil, block.fields)
  elseif block.alias then
    put("")
    put_text(block.text)
    put("")
    put(("`%s` stands for `%s`."):format(block.alias[1], block.alias[2]))
  elseif title and #block.text > 0 then
    put("")
    put("### `" .. title .. "`")
    put("")
    put_text(block.text)
    put_list("Parameters:", block.params)
    put_list("Returns:", block.returns)
  elseif #block.text > 0 then
    put("")
    put_text(block.text)
  end
end

local function new_block() return { text = {}, params = {}, returns = {}, fields = {} } end

local function annotate(block, tag, rest)
  if tag == "param" then
    table.insert(block.params, item(rest:match("^(%S+)%s*(.*)$")))
  elseif tag == "return" then
    local kind, name = split_type(rest)
    table.insert(block.returns, ("- `%s`%s"):format(kind, name ~= "" and " " .. name or ""))
  elseif tag == "field" then
    local key, after = rest:match("^(%[[^%]]*%])%s*(.*)$")
    if not key then key, after = rest:match("^(%S+)%s*(.*)$") end
    table.insert(block.fields, item(key, after))
  elseif tag == "class" then
    block.class = rest
  elseif tag == "alias" then
    block.alias = { rest:match("^(%S+)%s+(.*)$") }
  end
end

put("# The Lua of moongate's scripts")
put("")
put("<!-- Made from core/script/lib/api*.lua by tools/luadoc.lua; change it there. -->")
local function put_file(path)
  local block
  for line in io.lines(path) do
    local tag, rest = line:match("^%-%-%-@(%w+)%s*(.*)$")
    local text = line:match("^%-%-%- ?(.*)$")
    if tag then
      block = block or new_block()
      annotate(block, tag, rest)
    elseif text then
      block = block or new_block()
      -- The page's title is a level above the contract's headings.
      table.insert(block.text, (text:gsub("^# ", "## ")))
    elseif block then
      put_block(block, line)
      block = nil
    end
  end
  if block then put_block(block, "") end
end

for i = 1, #arg do put_file(arg[i]) end
print((table.concat(out, "\n"):gsub("\n\n\n+", "\n\n")))
