-- 10,000 connections to a process that may open 256 files: it goes on serving those it has, does not spin, and is well again as soon as they have gone.
-- And a head of 64 KB is answered 431, then and always.
package.path = "./?.lua;" .. package.path
local row = require "tests.torture.support.row"
local load = require "tests.torture.support.load"
local crowd = require "tests.torture.support.crowd"
local moongate = require "tests.spec.support.moongate"
local socket = require "socket"

local FILES = 256

local function post(connection)
  local reply = connection:request { method = "POST", path = "/v1/events", body = '{"type":"load","user_id":"ann","v":1}' }
  assert(reply.status == 200, "a connection of before is answered " .. reply.status .. ": " .. reply.body)
end

local function check_long_head(server, connection)
  local answer
  local request = "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: " .. ("x"):rep(65536) .. "\r\n\r\n"
  if connection then
    connection:send_raw(request)
    answer = connection:receive().status
  else
    answer = tonumber(server:raw(request):match("^HTTP/1.1 (%d+)"))
  end
  assert(answer == 431, "a head of 64 KB is answered " .. tostring(answer))
end

-- How long until a new connection is answered.
local function well_again(server)
  local began = socket.gettime()
  moongate.wait_until(function()
    local ok, reply = pcall(server.request, server, { path = "/-/ready" })
    return ok and reply.status == 200
  end, 10, "a new connection to be answered")
  return socket.gettime() - began
end

row {
  number = 20,
  name = "256 files, 10,000 connects, long heads",
  short = { connects = 10000, hold = 2 },
  long = { connects = 10000, hold = 30 },
  run = function(p)
    local server = moongate.start {
      listen = load.free_address(),
      under = { "prlimit", ("--nofile=%d:%d"):format(FILES, FILES), "--" },
      scripts = { ["metrics/load.lua"] = load.script },
      conf = { journal = { segment_bytes = "1MiB", checkpoint = 0.2 } },
    }
    local pid = server.process.pid
    check_long_head(server)
    local known, spare = server:connect(), server:connect()
    post(known)
    post(spare)

    local began, cpu = socket.gettime(), load.cpu_seconds(pid)
    local many = crowd.start(server, { connects = p.connects, seconds = p.hold + 60 })
    local posts = 0
    while socket.gettime() - began < p.hold do
      post(known) -- files for segments and checkpoints are still to be had
      posts = posts + 1
      socket.sleep(0.02)
    end
    check_long_head(server, spare)
    local share = (load.cpu_seconds(pid) - cpu) / (socket.gettime() - began)
    many.process:signal("TERM")
    local result = many:finish(60)
    local took = well_again(server)
    local figures = ("%d connects, %d closed: CPU %.0f %%, %d posts answered meanwhile, well again after %.2f s"):format(result.made + result.failed,
      result.closed, share * 100, posts, took)
    assert(result.made + result.failed == p.connects, figures)
    assert(share < 0.2, figures)
    assert(took <= 1, figures)
    check_long_head(server)
    local metrics = server:metrics()
    assert(metrics:get("load_events_total") == posts + 2, figures)
    local failures = metrics:get("moongate_checkpoint_failures_total") + metrics:get("moongate_journal_commit_failures_total")
    assert(failures == 0 and metrics:get("moongate_journal_writable") == 1, failures .. " checkpoints or commits failed")
    for _, line in ipairs(server:log()) do
      assert(line.level ~= "error", "an error in the log: " .. tostring(line.msg) .. " " .. tostring(line.error))
    end
    server:stop()
    return figures
  end,
}
