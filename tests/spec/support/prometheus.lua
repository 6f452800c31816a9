-- Debian's Prometheus beside a gateway: for specs that compare the two, or let one speak with the other.
local moongate = require "tests.spec.support.moongate"
local socket = require "socket"

local prometheus = {}
prometheus.__index = prometheus

function prometheus.free_port()
  local probe = assert(socket.bind("127.0.0.1", 0))
  local _, port = probe:getsockname()
  probe:close()
  return port
end

-- Starts one in `dir` (which is there), with a configuration in YAML and further arguments; it is up when it says so. `port` may be chosen before, where the
-- configuration has to name it.
function prometheus.start(dir, config, arguments, port)
  local self = setmetatable({ dir = dir .. "/prometheus", port = port or prometheus.free_port() }, prometheus)
  self.addr = "127.0.0.1:" .. self.port
  moongate.write_file(dir .. "/prometheus.yml", config)
  local argv = { "prometheus", "--config.file=" .. dir .. "/prometheus.yml", "--storage.tsdb.path=" .. self.dir,
    "--web.listen-address=" .. self.addr }
  for _, a in ipairs(arguments or {}) do argv[#argv + 1] = a end
  self.process = moongate.process.spawn(argv, dir .. "/prometheus.out", dir .. "/prometheus.err")
  moongate.wait_until(function()
    if self.process:poll() then error("prometheus ended: " .. (moongate.read_file(dir .. "/prometheus.err") or "")) end
    return moongate.sh(("curl -s http://%s/-/ready"):format(self.addr)):find("Ready")
  end, 30, "Prometheus")
  return self
end

function prometheus:connect()
  return moongate.connect(self.addr)
end

function prometheus:stop()
  self.process:signal("TERM")
  self.process:wait(60)
end

return prometheus
