-- Prints the sources that clang-tidy has to look at again: those of core/ whose object in build/ is newer than their stamp in build/tidy/.
-- An object is newer than everything that it includes, so that the build knows for us what changed. Each line: source, a tab, its stamp.
local json = require "cjson"
local lfs = require "lfs"

local root, build = lfs.currentdir(), "build"

local function read_file(path)
  local f = assert(io.open(path, "rb"))
  local text = f:read("*a")
  f:close()
  return text
end

local function modified(path)
  return lfs.attributes(path, "modification") or 0
end

local config = modified(".clang-tidy")
lfs.mkdir(build .. "/tidy")
for _, entry in ipairs(json.decode(read_file(build .. "/compile_commands.json"))) do
  local path = entry.file:sub(1, #root + 1) == root .. "/" and entry.file:sub(#root + 2) or ""
  local object = entry.command:match(" %-o (%S+)")
  if path:find("^core/.*%.c$") then
    local stamp = build .. "/tidy/" .. path:gsub("/", "-")
    -- An equal time may hide a change within the same second.
    if modified(stamp) <= math.max(modified(build .. "/" .. object), config) then print(path .. "\t" .. stamp) end
  end
end
