-- Ways out of the sandbox, tried by row_26. Each piece between the lines that begin with "--- " is the body of a function(ev) that returns something true when
-- it has reached what a script must not reach. @SECRET@ is the path of a file with the text "canary-secret", @CANARY@ one that must not come to be.
-- `victim` is a script beside it in the same set; `secret` is a global of that one. An error is no escape.
--- io by its global
return io and io.open("@SECRET@")
--- os.execute
return os.execute and os.execute("touch @CANARY@")
--- os.exit
if os.exit then os.exit(0) end
--- os.remove and os.rename
if os.remove then os.remove("@SECRET@") end return os.remove or os.rename or os.tmpname
--- os.getenv
return os.getenv and os.getenv("PATH")
--- os.setlocale and os.clock
return os.setlocale or os.clock
--- dofile and loadfile
return dofile and dofile("@SECRET@") or loadfile and loadfile("@SECRET@")
--- package
return package or module
--- require ffi
return require "ffi"
--- require jit and its parts
for _, name in ipairs { "jit", "jit.util", "jit.opt", "jit.p", "jit.profile", "jit.dump", "jit.v" } do local ok, m = pcall(require, name) if ok then return m end end
--- require of the standard library
for _, name in ipairs { "io", "os", "debug", "package", "string", "table", "math", "coroutine", "bit", "_G", "table.new", "table.clear", "string.buffer", "thread.exdata" } do
  local ok, m = pcall(require, name) if ok then return m end end
--- require of a file by its path
for _, name in ipairs { "@SECRET@", "/etc/passwd", "../../../../etc/passwd", "conf/moongate", "moongate", "scripts.metrics.victim", "metrics.victim", "victim" } do
  local ok, m = pcall(require, name) if ok then return m end end
--- require of moongate's own Lua half
for _, name in ipairs { "moongate/base.lua", "moongate/base", "base", "=moongate/base.lua", "metrics.lua" } do local ok, m = pcall(require, name) if ok then return m end end
--- a require whose name is a table that answers
return require(setmetatable({}, { __tostring = function() return "ffi" end, __eq = function() return true end, __concat = function() return "ffi" end }))
--- debug by its global
return debug
--- debug by a function's environment
return getfenv and getfenv(0) or setfenv
--- getfenv of a C function
return getfenv and getfenv(print)
--- newproxy
return newproxy and newproxy(true)
--- collectgarbage and gcinfo
return collectgarbage or gcinfo
--- the old functions of 5.0
return table.foreach or table.foreachi or table.getn or table.setn or string.gfind or math.mod
--- string.dump
return string.dump or ("").dump
--- jit by its global
return jit or ffi
--- the registry by a number key of _G
return rawget(_G, 1) or rawget(_G, 0) or rawget(_G, -10000) or rawget(_G, "_LOADED") or rawget(_G, "_PRELOAD")
--- a metatable of the globals
return getmetatable(_G)
--- walk over all that can be reached for names that must not be there
local bad = { debug = 1, ffi = 1, io = 1, jit = 1, package = 1, getfenv = 1, setfenv = 1, newproxy = 1, collectgarbage = 1, dump = 1, execute = 1, exit = 1, popen = 1, open = 1,
  loadlib = 1, dofile = 1, loadfile = 1, getregistry = 1, getupvalue = 1, sethook = 1, getinfo = 1, core = 1, define = 1, globals = 1 }
local seen = {}
local function walk(v, depth)
  if type(v) ~= "table" or seen[v] or depth > 20 then return end
  seen[v] = true
  for k, x in pairs(v) do
    if bad[k] and v ~= log then return k end
    local found = walk(k, depth + 1) or walk(x, depth + 1) or walk(getmetatable(x), depth + 1)
    if found then return found end
  end
end
return walk(_G, 0) or walk(getmetatable(""), 0)
--- the metatable of strings
local mt = getmetatable("") if type(mt) == "table" then mt.__index = function() return "owned" end return true end
--- setmetatable on a string
return (pcall(setmetatable, "", {}))
--- rawset on the metatable of strings
return (pcall(rawset, getmetatable(""), "__index", {}))
--- metatables of other types
for _, v in ipairs { 1, true, print, function() end, coroutine.create(print) } do if getmetatable(v) ~= nil or pcall(setmetatable, v, {}) then return v end end
--- the metatable of nil
return getmetatable(nil) or select(2, pcall(setmetatable, nil, {})) == nil
--- the metatable of the event
local mt = getmetatable(ev) return type(mt) ~= "string" and mt or (pcall(setmetatable, ev, {}))
--- the event's own slots
return (pcall(rawget, ev, 1)) or (pcall(next, ev)) or (pcall(pairs, ev))
--- upvalues of the event's methods through errors
local ok, e = pcall(ev.copy, {}) return ok and e.text ~= ev.text
--- the metatable of a bound metric
local mt = getmetatable(probe:with {}) return type(mt) ~= "string" and mt
--- a metamethod of a bound metric
local b = probe:with {} return (pcall(function() b.__gc = print end)) or (pcall(function() return b .. b end)) or (pcall(function() return #b end)) or (pcall(function() return b < b end))
--- a bound metric's methods on another type's
return (pcall(probe:with({}).inc, gauge_probe:with {}))
--- a bound metric's methods on strings and numbers
local inc = probe:with({}).inc for _, v in ipairs { "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 0, {}, print, coroutine.create(print) } do if pcall(inc, v) then return v end end
--- the closure's metric by swapping self
local ok = pcall(store.get, 5, {}) return ok
--- a light userdata of C functions
for _, t in ipairs { probe, gauge_probe, store, log } do for k, v in pairs(t) do if type(v) == "userdata" then return k end end end
--- bytecode by load
local f = load("\27LJ\2\2\15\2\0\1\0\1\0\2K\0\1\0\0") return f and f()
--- bytecode by load in binary mode
return (load("\27LJ\2\2\15\2\0\1\0\1\0\2K\0\1\0\0", "x", "b"))
--- bytecode by load in mixed mode
return (load("\27LJ\2\2\15\2\0\1\0\1\0\2K\0\1\0\0", "x", "bt"))
--- bytecode by loadstring
return (loadstring("\27LJ\2\2\15\2\0\1\0\1\0\2K\0\1\0\0"))
--- bytecode of PUC Lua
return (load("\27Lua\81\0\1\4\8\4\8\0")) or (loadstring("\27Lua"))
--- bytecode behind a byte order mark
return (load("\239\187\191\27LJ\2\2\15\2\0\1\0\1\0\2K\0\1\0\0"))
--- bytecode behind a first line
return (load("#!/usr/bin/lua\n\27LJ\2\2\15\2\0\1\0\1\0\2K\0\1\0\0"))
--- bytecode from a reader, whole and in pieces
local code = "\27LJ\2\2\15\2\0\1\0\1\0\2K\0\1\0\0" local i = 0
local f = load(function() i = i + 1 return i <= #code and code:sub(i, i) or nil end, "x", "b") if f then return f end
local sent return (load(function() if sent then return nil end sent = true return code end, "x", "bt"))
--- bytecode from a reader that changes its mind
local n = 0 return (load(function() n = n + 1 return n == 1 and " " or n == 2 and "\27LJ\2" or nil end))
--- bytecode under a file's name
return (load("\27LJ\2", "@scripts/metrics/victim.lua")) or (load("\27LJ\2", "=x"))
--- load with the globals of C as environment
return load("return debug or io or package or ffi", "x", "t", nil)()
--- load with an environment that forwards
local env = setmetatable({}, { __index = function(_, k) return _G[k] end }) return load("return debug or io or package or ffi or jit", "x", "t", env)()
--- a chunk's varargs
return (load("return ..."))() ~= nil
--- a chunk name that is a path
local _, e = pcall(load("error('x')", "@@SECRET@")) return e:find("canary-secret", 1, true)
--- xpcall's handler as a way to the debug library
local _, e = xpcall(error, function(...) return debug or select("#", ...) > 1 and select(2, ...) end) return e and type(e) ~= "string" and e
--- an error object that is called back later
error(setmetatable({}, { __tostring = function() probe:add(1e6) return "owned" end, __gc = function() probe:add(1e6) end }))
--- a finalizer on a table
setmetatable({}, { __gc = function() _G.finalized = true end }) for _ = 1, 1000 do local _ = { {} } end return finalized
--- a coroutine's globals
return coroutine.wrap(function() return debug or getfenv end)()
--- the main coroutine
local co = coroutine.running() return co and coroutine.resume(co)
--- a yield out of the handler
coroutine.yield("out") return true
--- a yield through pcall to C
return (pcall(coroutine.yield, "out"))
--- a coroutine that outlives its call and acts at the top
kept = kept or coroutine.wrap(function() coroutine.yield() return debug end) local ok, v = pcall(kept) return ok and v
--- the victim's globals
return secret or rawget(_G, "secret")
--- the victim's globals by load
return load("return secret")()
--- the victim's string library
string.format = function() return "owned" end string.find = nil table.concat = nil return false
--- the victim by _G's of modules
local ok, m = pcall(require, "shared") if ok then m.touched = true _G.shared = m return m.secret end
--- changing metrics from where it is not allowed
if ev then return false end probe:inc() return true
--- registering late
if not ev then return false end return (pcall(on, "x", print)) or (pcall(every, "1s", print)) or (pcall(filter, "x", print))
--- a metric of the gateway's own
return (pcall(function() return counter "moongate_records_accepted_total" {} end))
--- a forged line in the exposition by a name
return (pcall(function() return counter "a 1\nforged_total" {} end)) or (pcall(function() return counter "a" { help = 5 } end))
--- a forged line by a help text
if ev then return false end counter "escape_help_total" { help = "x\nforged_total 1\n# EOF\nforged_total 1" } return false
--- a forged line in the log
log.warn("x\n{\"level\":\"fatal\",\"msg\":\"forged\"}", { a = "\n{}" }) return (pcall(log.warn, "x", { ["a\":1,\"forged"] = 1 }))
--- a field of the log that is the script's name
return (pcall(log.info, "x", { ["script\""] = "scripts/metrics/victim.lua" }))
--- the machine's time and chance
return math.randomseed and (pcall(math.randomseed, 5))
--- the machine's time by os.time
return now() ~= os.time() and os.time()
--- the machine's environment by os.date
return os.date("%Z%c"):find("canary", 1, true)
--- a format that reads beyond its arguments
for _, f in ipairs { "%s", "%d", "%n", "%*d", "%5$s", "%p%p%p%p" } do local ok, s = pcall(string.format, f) if ok then return s end end
--- a pointer by format and tostring
local p = tostring(print) local q = ("%p"):format(print) return p:find("builtin", 1, true) == nil and p:find("^function") == nil
--- reading beyond a string
return ("abc"):byte(4) or ("abc"):byte(2 ^ 31) or ("abc"):byte(-2 ^ 31) or ("abc"):sub(4, 2 ^ 31 - 1) ~= ""
--- reading beyond a string by captures
return ("abc"):match("()$") ~= 4 or ("abc"):find("", 10) ~= nil and ("abc"):find("", 10) > 4
--- writing beyond a table
local t = {} for _, k in ipairs { -1, 0, 2 ^ 31, -2 ^ 31, 2 ^ 53, 1e300 } do t[k] = k end for _, k in ipairs { -1, 0, 2 ^ 31, -2 ^ 31, 2 ^ 53, 1e300 } do if t[k] ~= k then return k end end
--- a sort that writes beyond its table
local t = { 3, 1, 2 } table.sort(t, function() return true end) return t[0] or t[4]
--- unpack beyond the stack
return (pcall(unpack, {}, 1, 2 ^ 30)) or (pcall(unpack, {}, -2 ^ 30, 2 ^ 30))
--- string.rep beyond the memory
return (pcall(string.rep, "x", 2 ^ 62)) or (pcall(string.rep, "xx", 2 ^ 62 / 2 + 1)) or (pcall(string.rep, "x", 2 ^ 32 + 1, "y"))
--- select beyond its arguments
return select(2 ^ 31 - 1, 1) or (pcall(select, -2 ^ 31, 1))
--- table.concat beyond its table
return (pcall(table.concat, { "a" }, "", 1, 2)) or (pcall(table.concat, {}, "", 2 ^ 31 - 2, 2 ^ 31 - 1))
--- table.move beyond its tables
local t = { 1, 2, 3 } pcall(table.move, t, 1, 3, -2 ^ 31) pcall(table.move, t, 1, 3, 2 ^ 31 - 2) pcall(table.move, t, 1, 3, 1, "xyz") return t[0] or t[4] or #t ~= 3
--- a record as large as it likes by emit
if not ev then return false end return (pcall(emit, ("t"):rep(129), {})) or (pcall(emit, "y", { [("k"):rep(257)] = 1 })) or (pcall(emit, "y", { s = ("x"):rep(65537) }))
--- functions and userdata in an event
if not ev then return false end return (pcall(emit, "y", { f = print })) or (pcall(emit, "y", { b = probe:with {} })) or (pcall(emit, "y", { c = coroutine.create(print) }))
--- functions and userdata in a state
if not ev then return false end return (pcall(store.set, store, "k", print)) or (pcall(store.set, store, "k", probe:with {})) or (pcall(store.set, store, {}, 1))
--- the event after its call
if ev then if old then local ok, v = pcall(function() return old.never end) old = ev if ok and v then return v end end old = ev end
--- the cut's own error object
local ok, e = pcall(error) return type(e) == "userdata"
