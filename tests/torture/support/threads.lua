-- The CPU time of a gateway's threads, from the kernel, for rows that hold a limit which counts CPU time against a machine that others use, too.
local moongate = require "tests.spec.support.moongate"

local threads = {}
threads.__index = threads

-- Of the running process of `server`.
function threads.of(server)
  local self = setmetatable({ stat = {} }, threads)
  local tasks = "/proc/" .. server.process.pid .. "/task/"
  for tid in moongate.sh("ls " .. tasks):gmatch("%d+") do
    local name = moongate.read_file(tasks .. tid .. "/comm"):gsub("\n", "")
    self.stat[name] = tasks .. tid .. "/schedstat"
  end
  assert(self.stat.engine and self.stat.watchdog, "the process has no engine, or no watchdog")
  return self
end

-- For how long a thread has run, and for how long it was ready and did not run, in milliseconds.
function threads:times(name)
  local ran, waited = moongate.read_file(self.stat[name]):match("^(%d+) (%d+)")
  return tonumber(ran) / 1e6, tonumber(waited) / 1e6
end

-- What the engine's thread spends in fn(), in milliseconds, less the time for which the machine let the watchdog wait.
function threads:spent(fn)
  local ran_before = self:times "engine"
  local _, waited_before = self:times "watchdog"
  local result = fn()
  local ran = self:times "engine"
  local _, waited = self:times "watchdog"
  return ran - ran_before - (waited - waited_before), result
end

return threads
