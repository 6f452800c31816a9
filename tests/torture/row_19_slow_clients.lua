-- Thousands of clients that send a byte now and then, or read one: they are closed in time, take little memory, and nobody else notices.
package.path = "./?.lua;" .. package.path
local row = require "tests.torture.support.row"
local load = require "tests.torture.support.load"
local crowd = require "tests.torture.support.crowd"
local moongate = require "tests.spec.support.moongate"

local MIB = 2 ^ 20
local SERIES = 9000

-- Metrics whose text is more than the kernel takes in for a client that does not read.
local function fill_metrics(server)
  local lines = {}
  for i = 1, SERIES do
    lines[i] = ('{"type":"load","id":"s%d","user_id":"a-user-with-a-name-of-some-length-%05d","v":1}'):format(i, i)
  end
  local reply = server:request { method = "POST", path = "/v1/events", body = table.concat(lines, "\n") }
  assert(reply.status == 200, reply.body)
  local text = server:request { path = "/metrics" }.body
  assert(#text > 512 * 1024, "the metrics are too small to get stuck: " .. #text)
end

-- `p99_ms`: the row's bound is 20; the short form runs beside other tests, where the machine alone makes more, and relies on CPU time to tell.
local function others(server, seconds)
  return load.start(server, { events = 5, connections = 8, rate = 1000, total = 1000 * seconds, users = 10 })
end

row {
  number = 19,
  name = "slow senders and slow readers",
  short = { senders = 400, readers = 100, timeout = 1, body_timeout = 1, within = 2, quiet = 0.5, p99_ms = 500 },
  long = { senders = 2000, readers = 500, timeout = 10, body_timeout = 30, within = 11, quiet = 3, p99_ms = 20 },
  run = function(p)
    local server = moongate.start {
      listen = load.free_address(),
      scripts = { ["metrics/load.lua"] = load.script },
      conf = { http = { header_timeout = p.timeout, write_timeout = p.timeout, body_timeout = p.body_timeout } },
    }
    fill_metrics(server)
    local alone = others(server, p.quiet):finish(30)
    local before = load.memory(server.process.pid, "VmRSS")
    moongate.write_file(("/proc/%d/clear_refs"):format(server.process.pid), "5") -- VmHWM begins anew

    local slow = crowd.start(server, { senders = p.senders, readers = p.readers, path = "/metrics", seconds = 4 * p.within })
    local cpu = load.cpu_seconds(server.process.pid)
    local beside = others(server, p.within):finish(60)
    cpu = (load.cpu_seconds(server.process.pid) - cpu) / p.within
    local result = slow:finish(60)
    local more = load.memory(server.process.pid, "VmHWM") - before
    local figures = ("%d of %d closed, after %.2f s at the latest; p99 of others %.1f ms (alone %.1f); CPU %.0f %%, memory + %.1f MiB"):format(
      result.closed, result.made, result.closed_max_s, beside.p99_ms, alone.p99_ms, cpu * 100, more / MIB)
    assert(result.made == p.senders + p.readers and result.closed == result.made, figures)
    assert(result.closed_max_s <= p.within, figures)
    assert(more <= 64 * MIB, figures)
    assert(beside.failed == 0)
    assert(beside.p99_ms < p.p99_ms, figures)
    assert(cpu < 0.25, figures)
    server:stop()
    return figures
  end,
}
