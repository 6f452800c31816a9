-- Posts events of type "good" until it is told to stop, and then says what was acknowledged: what rows about hostile scripts keep going on meanwhile.
--
-- Started by `feeder.start(server)` as a process of its own (luajit feeder.lua <address> <stop file>); its last line is "<accepted> <requests> <slowest ms>".
-- Each event has an `n`: their sum is the sum of 1 to the number of events, so that a lost or doubled one shows even where the count would agree.
local socket = require "socket"

local EVENTS, PAUSE = 10, 0.01

local function exists(path)
  local f = io.open(path)
  if f then f:close() end
  return f ~= nil
end

local function connect(address)
  local host, port = address:match("^(.*):(%d+)$")
  local sock = assert(socket.connect(host, tonumber(port)))
  sock:settimeout(60)
  sock:setoption("tcp-nodelay", true)
  return sock
end

-- The status and body of one request.
local function post(sock, body)
  assert(sock:send(("POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)))
  local status = tonumber(assert(sock:receive("*l")):match("^HTTP/1%.1 (%d+)"))
  local length = 0
  for line in function() local line = assert(sock:receive("*l")) return line ~= "" and line or nil end do
    length = tonumber(line:lower():match("^content%-length: (%d+)")) or length
  end
  return status, length > 0 and assert(sock:receive(length)) or ""
end

local function run(address, stop)
  local sock = connect(address)
  local sent, requests, slowest = 0, 0, 0
  while not exists(stop) do
    local lines = {}
    for i = 1, EVENTS do lines[i] = ('{"type":"good","n":%d}'):format(sent + i) end
    local began = socket.gettime()
    local status, body = post(sock, table.concat(lines, "\n"))
    slowest = math.max(slowest, socket.gettime() - began)
    assert(status == 200 and body:find('"accepted":' .. EVENTS .. ",", 1, true), ("%s %s"):format(status, body))
    sent, requests = sent + EVENTS, requests + 1
    socket.sleep(PAUSE)
  end
  print(("%d %d %.1f"):format(sent, requests, slowest * 1000))
end

if arg and arg[0] and arg[0]:find("feeder%.lua$") then
  run(arg[1], arg[2])
  os.exit(0)
end

local feeder = {}
feeder.__index = feeder

-- The script that counts what the feeder posts.
feeder.script = [[
local count, sum = counter "good_total" {}, counter "good_sum_total" {}
on("good", function(ev) count:inc() sum:add(ev.n) end)
]]

function feeder.start(server)
  local process = require "tests.spec.support.process"
  local self = setmetatable({ server = server, stop_file = server.dir .. "/feeder.stop", out = server.dir .. "/feeder.out" }, feeder)
  os.remove(self.stop_file)
  os.remove(self.out)
  self.process = process.spawn({ "luajit", "tests/torture/support/feeder.lua", server.addr, self.stop_file }, self.out, self.out)
  return self
end

-- Ends it and holds what was acknowledged against what was counted, exactly. Returns the number of events and the slowest request in milliseconds.
function feeder:finish()
  assert(io.open(self.stop_file, "w")):close()
  local code = self.process:wait(90)
  local f = assert(io.open(self.out))
  local text = f:read("*a")
  f:close()
  local sent, _, slowest = text:match("(%d+) (%d+) ([%d.]+)\n$")
  assert(code == 0 and sent, "the feeder ended with " .. code .. ": " .. text)
  sent = tonumber(sent)
  local metrics = self.server:metrics()
  local count, sum = metrics:get("good_total", {}), metrics:get("good_sum_total", {})
  assert(count == sent, ("%d events were acknowledged and %s counted"):format(sent, count))
  assert(sum == sent * (sent + 1) / 2, ("the sum of %d events is %s"):format(sent, sum))
  return sent, tonumber(slowest)
end

return feeder
