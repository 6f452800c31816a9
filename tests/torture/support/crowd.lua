-- Unwanted clients (support/crowd.c) beside a server.
local json = require "cjson"
local moongate = require "tests.spec.support.moongate"

local crowd = {}
crowd.__index = crowd

local started = 0
local program = (os.getenv("MOONGATE_BIN") or "build/moongate"):gsub("moongate$", "tests/torture_crowd")

-- Starts it and returns when all are connected; options by name as in crowd.c.
function crowd.start(server, options)
  started = started + 1
  local out = ("%s/crowd-%d"):format(server.dir, started) -- goes with the server's directory
  local self = setmetatable({ stdout = out .. ".stdout", stderr = out .. ".stderr" }, crowd)
  local argv = { program, "--port", server.addr:match(":(%d+)$") }
  for name, value in pairs(options) do
    argv[#argv + 1] = "--" .. name
    argv[#argv + 1] = tostring(value)
  end
  self.process = moongate.process.spawn(argv, self.stdout, self.stderr)
  moongate.wait_until(function()
    assert(not self.process:poll() or self:output():find "ready", "the crowd did not come: " .. (moongate.read_file(self.stderr) or ""))
    return self:output():find "ready"
  end, 60, "the crowd")
  return self
end

function crowd:output()
  return moongate.read_file(self.stdout) or ""
end

function crowd:finish(seconds)
  local ok, code = pcall(self.process.wait, self.process, seconds)
  local out, err = self:output(), moongate.read_file(self.stderr)
  assert(ok, code)
  assert(code == 0, "the crowd ended with " .. code .. ": " .. err)
  return json.decode(out:match("ready\n(.*)"))
end

return crowd
