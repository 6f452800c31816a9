-- The load generator (tests/bench/load.c) beside a server, and the books: what was acknowledged against what the server's metrics say.
local socket = require "socket"
local json = require "cjson"
local moongate = require "tests.spec.support.moongate"

local load = {}
load.__index = load

local started = 0
local program = (os.getenv("MOONGATE_BIN") or "build/moongate"):gsub("moongate$", "tests/bench_load")

-- Counts what the generator sends with --books: events, and their values, which follow from their ids.
load.script = [[
local events = counter "load_events_total" { labels = {} }
local sum = counter "load_sum_total" { labels = { "user_id" } }
on("load", function(ev)
  events:inc()
  sum:add(ev.v, ev.user_id)
end)
]]

-- An address whose port no outgoing connection takes while the server is down between two runs: below the range that the kernel gives out.
function load.free_address()
  for _ = 1, 100 do
    local port = math.random(20000, 30000)
    local sock = socket.bind("127.0.0.1", port)
    if sock then
      sock:close()
      return "127.0.0.1:" .. port
    end
  end
  error("no free port between 20000 and 30000")
end

-- Starts the generator: options are those of bench_load, by name ("_" for "-"); true for a flag.
function load.start(server, options)
  started = started + 1
  local out = ("%s/load-%d"):format(server.dir, started) -- goes with the server's directory
  local self = setmetatable({ stdout = out .. ".stdout", stderr = out .. ".stderr" }, load)
  local argv = { program, "--port", server.addr:match(":(%d+)$"), "--pid", tostring(server.process.pid), "--books" }
  for name, value in pairs(options) do
    argv[#argv + 1] = "--" .. name:gsub("_", "-")
    if value ~= true then argv[#argv + 1] = ("%d"):format(value) end
  end
  self.process = moongate.process.spawn(argv, self.stdout, self.stderr)
  return self
end

function load:is_over()
  return self.process:poll() ~= nil
end

-- Its result when it has come to its end, within `seconds`; that it failed is an error.
function load:finish(seconds)
  local ok, code = pcall(self.process.wait, self.process, seconds)
  local out, err = moongate.read_file(self.stdout), moongate.read_file(self.stderr)
  assert(ok, code)
  if code ~= 0 then error(("the load ended with %d: %s%s"):format(code, err, out), 2) end
  return json.decode(out)
end

-- What has been acknowledged in all, over several runs.
function load.books()
  return { events = 0, sum = 0, add = function(self, result)
    self.events = self.events + result.acknowledged
    self.sum = self.sum + result.sum
  end }
end

-- The server's metrics say exactly what was acknowledged: nothing lost, nothing counted twice.
function load.check(server, books, when)
  local metrics = server:metrics()
  local events, sum = metrics:get("load_events_total") or 0, 0
  for _, sample in ipairs(metrics:all("load_sum_total")) do sum = sum + sample.value end
  if events == books.events and sum == books.sum then return end
  error(("%s: %d events (values %d) were acknowledged, and %d (values %d) are counted"):format(when, books.events, books.sum,
    events, sum), 2)
end

-- Bytes of the journal's files.
function load.journal_bytes(server)
  local pipe = io.popen("du -sb " .. server.dir .. "/data/journal")
  local bytes = tonumber(pipe:read("*a"):match("^%d+"))
  pipe:close()
  return bytes
end

-- User and system time of a process in seconds.
function load.cpu_seconds(pid)
  local f = assert(io.open("/proc/" .. pid .. "/stat"))
  local user, system = f:read("*a"):match("%) %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ (%d+) (%d+)")
  f:close()
  return (tonumber(user) + tonumber(system)) / 100
end

-- "VmRSS" or "VmHWM" of a process in bytes.
function load.memory(pid, name)
  for line in io.lines("/proc/" .. pid .. "/status") do
    local kib = line:match("^" .. name .. ":%s*(%d+) kB")
    if kib then return tonumber(kib) * 1024 end
  end
  error("the process has no " .. name)
end

return load
