-- The house rules about sources that no compiler and no formatter knows. Run by tools/lint.sh: luajit tools/check_source.lua <rule> <file>…
--
--   includes   a module of core/ includes only its own headers and the public header of modules above it
--   calls      memory, files, time, output and the end of the process come from base/, so that a test can count, step or break them
--   words      nothing is left to be done
--   length     a source has at most 800 lines
--
-- Each finding is one line, file:line: what is wrong and what is wanted. Exit code 1 if there is one.

-- From the lowest: a module may include those before it. The same list as in cmake/modules.cmake.
local layers = { "base", "record", "config", "net", "ingest", "journal", "metrics", "tsdb", "scrape", "promql", "querier", "traces", "logs",
  "template", "alerts", "script", "engine", "api", "cli" }
local layer_of = {}
for i, name in ipairs(layers) do layer_of[name] = i end

-- Modules whose headers are all public: the words that everybody shares.
local open = { base = true, record = true }

local findings = 0

local function report(path, line, format, ...)
  findings = findings + 1
  print(("%s:%d: " .. format):format(path, line, ...))
end

local function read_file(path)
  local f = assert(io.open(path, "rb"))
  local text = f:read("*a")
  f:close()
  return text
end

local function each_line(text)
  local number = 0
  return coroutine.wrap(function()
    for line in (text:sub(-1) == "\n" and text or text .. "\n"):gmatch("([^\n]*)\n") do
      number = number + 1
      coroutine.yield(number, line)
    end
  end)
end

-- The text of a C file with its comments, strings and character constants blanked; line ends stay.
local function blank(text)
  local out, at = {}, 1
  local function skip_to(stop)
    out[#out + 1] = text:sub(at, stop):gsub("[^\n]", " ")
    at = stop + 1
  end
  while at <= #text do
    local start = text:find("[/\"']", at)
    if not start then break end
    out[#out + 1] = text:sub(at, start - 1)
    at = start
    local two = text:sub(at, at + 1)
    local c = two:sub(1, 1)
    if two == "/*" then
      local _, stop = text:find("*/", at + 2, true)
      skip_to(stop or #text)
    elseif two == "//" then
      skip_to((text:find("\n", at, true) or #text + 1) - 1)
    elseif c == "/" then
      out[#out + 1] = "/"
      at = at + 1
    else
      local stop = at + 1
      while stop <= #text and text:sub(stop, stop) ~= c do
        if text:sub(stop, stop) == "\\" then stop = stop + 1 end
        stop = stop + 1
      end
      skip_to(stop)
    end
  end
  out[#out + 1] = text:sub(at)
  return table.concat(out)
end

-- ---- includes ----

local function check_include(path, number, module, included)
  if included == "llhttp.h" then return end
  local folder, rest = included:match("^([%w_]+)/(.+)$")
  if not folder or included:find("..", 1, true) then
    return report(path, number, '#include "%s" is wanted as "<module>/<header>.h", from core/', included)
  end
  if folder == module then return end
  local above = layer_of[folder]
  if not above then
    return report(path, number, '#include "%s": core/ has no module %s', included, folder)
  end
  if above > layer_of[module] then
    return report(path, number, '#include "%s" goes the other way: %s is below %s', included, folder, module)
  end
  if not open[folder] and rest ~= folder .. ".h" then
    return report(path, number, '#include "%s" is private to %s: its public header is "%s/%s.h"', included, folder, folder, folder)
  end
end

local function includes(path, text)
  local module = path:match("^core/([%w_]+)/")
  if not module then return end
  if not layer_of[module] then return report(path, 1, "core/%s is not among the layers", module) end
  for number, line in each_line(text) do
    local included = line:match('^%s*#%s*include%s*"([^"]+)"')
    if included then check_include(path, number, module, included) end
  end
end

-- ---- calls ----

local forbidden = {}
local function forbid(names, instead)
  for name in names:gmatch("%S+") do forbidden[name] = instead end
end
forbid("malloc calloc realloc reallocarray free strdup strndup asprintf vasprintf posix_memalign aligned_alloc getline", "base/mem.h")
forbid("fopen fdopen open openat creat rename renameat unlink unlinkat truncate ftruncate", "base/file.h")
forbid("fsync fdatasync pwrite write pread fallocate posix_fallocate mmap", "base/file.h")
forbid("time gettimeofday clock_gettime", "base/clock.h")
forbid("nanosleep usleep sleep", "a wait that something can end, condition_wait_for() of base/thread.h")
forbid("localtime gmtime ctime asctime", "its variant that threads may share")
forbid("rand random srand srandom drand48", "a seed that comes in as a parameter")
forbid("printf fprintf vprintf vfprintf puts fputs putchar perror syslog", "base/log.h, or a struct error for whoever asked")
forbid("exit _exit abort assert", "an error, or CHECK() for an invariant of ours; only main ends the process")
forbid("atoi atol atof strtok sprintf vsprintf strcpy strcat gets sscanf", "a function that knows lengths and reports errors")

-- Every one of these: a simulation decides which thread runs.
local function forbidden_instead(name)
  return forbidden[name] or name:find("^pthread_") and "base/thread.h"
end

-- What may be called where it is the point of the file.
local allowed = {
  ["core/cli/"] = "printf fprintf vprintf vfprintf puts fputs putchar exit _exit",
  ["core/cli/run.c"] = "pthread_sigmask",
  ["core/cli/demo.c"] = "nanosleep", -- a client of another process, which nothing simulates
  ["core/script/lib_os.c"] = "strftime gmtime_r localtime_r mktime", -- os.date and os.time are these, on the engine's clock
  ["core/script/watch.c"] = "abort", -- the backstop
}

local function is_allowed(path, name)
  if path:find("^core/base/") or not path:find("^core/") then return true end
  if path:find("^core/net/") and name:find("^pthread_") then return true end -- its loops are libuv's
  for prefix, names in pairs(allowed) do
    if path:sub(1, #prefix) == prefix and (" " .. names .. " "):find(" " .. name .. " ", 1, true) then return true end
  end
  return false
end

local function calls(path, text)
  for number, line in each_line(blank(text)) do
    for before, name in line:gmatch("([^%w_]*)%f[%w_]([%a_][%w_]*)%s*%(") do
      local member = before:find("%.$") or before:find("->$")
      local instead = forbidden_instead(name)
      if instead and not member and not is_allowed(path, name) then
        report(path, number, "%s() is called; wanted is %s", name, instead)
      end
    end
  end
end

-- ---- words, length ----

local function words(path, text)
  for number, line in each_line(text) do
    local word = line:match("%f[%w_](TODO)%f[^%w_]") or line:match("%f[%w_](FIXME)%f[^%w_]") or line:match("%f[%w_](XXX)%f[^%w_]")
      or line:match("%f[%w_](HACK)%f[^%w_]") or line:lower():match("not" .. " implemented")
    if line:match("{501,") then word = nil end -- that is its name in HTTP
    if word and path ~= "tools/check_source.lua" then report(path, number, '"%s": finish it, or take it out', word) end
  end
end

local function length(path, text)
  local _, count = text:gsub("\n", "")
  if count > 800 then report(path, count, "%d lines; at most 800 are wanted, with one subject", count) end
end

local rules = { includes = includes, calls = calls, words = words, length = length }
local rule = assert(rules[arg[1]], "usage: luajit tools/check_source.lua includes|calls|words|length FILE…")
for i = 2, #arg do rule(arg[i], read_file(arg[i])) end
os.exit(findings == 0 and 0 or 1)
