-- The disk fills up under load: bodies are refused in time and with the reason, questions are answered, and when there is space again events are taken again,
-- by the same process, with exact books.
package.path = "./?.lua;" .. package.path
local row = require "tests.torture.support.row"
local load = require "tests.torture.support.load"
local moongate = require "tests.spec.support.moongate"
local json = require "cjson"
local socket = require "socket"

-- In a mount namespace of its own, where a user who is not root may mount too, and which goes with its last process however that ends.
if not os.getenv "TORTURE_UNSHARED" then
  local unshare = io.popen("id -u"):read("*n") == 0 and "unshare -m" or "unshare -rm"
  if os.execute(unshare .. " -- true") ~= 0 then
    print(("row 06  %-44s FAILED  no file system may be mounted here: %s is refused"):format("disk full, and free again", unshare))
    os.exit(1)
  end
  os.exit(os.execute(("TORTURE_UNSHARED=1 %s -- luajit %s"):format(unshare, arg[0])) == 0 and 0 or 1)
end

local PER_BODY, PAD = 200, 1000
local REFUSED_WITHIN, ACCEPTS_WITHIN = 1, 5

local function mount(dir)
  local said, code = moongate.sh(("mount -t tmpfs -o size=64m,mode=0755 moongate-torture %s"):format(dir))
  assert(code == 0, "no tmpfs of 64 MB can be mounted: " .. said)
end

local next_event = 0

-- A body, and what it adds to the books. The padding differs from event to event, as what compresses well fills no disk.
local function make_body()
  local lines, sum = {}, 0
  for k = 1, PER_BODY do
    next_event = next_event + 1
    sum = sum + next_event
    local pad = {}
    for i = 1, PAD / 10 do pad[i] = ("%010x"):format(math.random(0, 2 ^ 40 - 1)) end
    lines[k] = ('{"type":"load","id":"full-%d","user_id":"u%d","v":%d,"pad":"%s"}'):format(next_event, k % 5, next_event,
      table.concat(pad))
  end
  return { text = table.concat(lines, "\n"), sum = sum }
end

local Round = {}
Round.__index = Round

-- Sends a body. True when it was taken; it is refused in no other way than for the disk.
function Round:send(body)
  local began = socket.gettime()
  local reply = self.connection:request { method = "POST", path = "/v1/events", body = body.text }
  local took = socket.gettime() - began
  if reply.status == 200 then
    local counts = json.decode(reply.body)
    assert(counts.accepted == PER_BODY, "taken, but not as new: " .. reply.body)
    self.books:add { acknowledged = PER_BODY, sum = body.sum }
    return true
  end
  assert(reply.status == 507 or reply.status == 503, ("a full disk answers %d: %s"):format(reply.status, reply.body))
  assert(reply.headers["retry-after"], "a refusal without Retry-After")
  assert(took <= REFUSED_WITHIN, ("refused after %.2f s, wanted %d s"):format(took, REFUSED_WITHIN))
  self.figures.refused = math.max(self.figures.refused, took)
  self.figures[reply.status] = (self.figures[reply.status] or 0) + 1
  return false
end

-- Takes all of the disk, down to its last page.
local function fill(path)
  local said = moongate.sh(("dd if=/dev/zero of=%s bs=1M 2>&1; dd if=/dev/zero of=%s bs=4k oflag=append conv=notrunc 2>&1"):format(path, path))
  assert(said:find "No space left", "the disk does not get full: " .. said)
end

function Round:run()
  socket.sleep(math.random() * 0.05) -- sealing, spare and checkpoint are somewhere
  local ballast = self.server.dir .. "/data/ballast"
  fill(ballast)
  local body = make_body()
  local taken = 0
  while self:send(body) do -- what the prewritten segments still hold
    taken = taken + 1
    assert(taken < 1000, "the disk is full and events are taken all the same")
    body = make_body()
  end
  for _ = 1, 3 do self:send(body) end
  load.check(self.server, self.books, "while the disk is full")
  local health = self.server:request { path = "/health" }
  assert(health.status == 503 and health.body:find '"journal":false', "/health does not tell: " .. health.body)
  os.remove(ballast)
  local freed = socket.gettime()
  while not self:send(body) do
    assert(socket.gettime() - freed <= ACCEPTS_WITHIN, "nothing is accepted 5 s after there is space again")
    socket.sleep(0.02)
  end
  self.figures.accepts = math.max(self.figures.accepts, socket.gettime() - freed)
  load.check(self.server, self.books, "after there is space again")
  assert(not self.server.process:poll(), "the process has ended")
end

local function run(p, server)
  server:launch()
  local figures = { refused = 0, accepts = 0 }
  local books = load.books()
  local connection = server:connect()
  for _ = 1, p.rounds do
    setmetatable({ server = server, books = books, connection = connection, figures = figures }, Round):run()
  end
  -- And the next process finds the same on the disk.
  server:kill9()
  server:restart()
  load.check(server, books, "after a restart")
  server:stop()
  return ("%d rounds, %d events: refused (507: %d, 503: %d) after %.0f ms, accepted %.2f s after there was space, at most; books exact"):format(
    p.rounds, books.events, figures[507] or 0, figures[503] or 0, figures.refused * 1e3, figures.accepts)
end

row {
  number = 6,
  name = "disk full, and free again",
  short = { rounds = 6 },
  long = { rounds = 50 },
  run = function(p)
    math.randomseed(os.time())
    local server = moongate.prepare {
      scripts = { ["metrics/load.lua"] = load.script },
      conf = { journal = { segment_bytes = "1MiB", retention_bytes = "8MiB", checkpoint = 0.3 } },
    }
    assert(os.execute("mkdir " .. server.dir .. "/data") == 0)
    mount(server.dir .. "/data")
    local ok, result = xpcall(run, debug.traceback, p, server)
    moongate.process.kill_all()
    assert(os.execute("umount " .. server.dir .. "/data") == 0)
    if not ok then error(result, 0) end
    return result
  end,
}
