-- Bodies that inflate to far more than they are: refused with 413 before they cost much, alone and 50 at once.
package.path = "./?.lua;" .. package.path
local socket = require "socket"
local moongate = require "tests.spec.support.moongate"
local proc = require "tests.torture.support.proc"
local row = require "tests.torture.support.row"

local MIB = 1024 * 1024
local WITHIN_S = 0.2 -- the answer
local MEMORY = 10 * MIB -- for each

local function command(text)
  return (moongate.sh(text):gsub("\n$", "", 1))
end

local function u24(n)
  return string.char(n % 256, math.floor(n / 256) % 256, math.floor(n / 65536))
end

-- A zstd frame of `blocks` blocks that say "128 KiB of zeros" in four bytes each. RFC 8878, 3.1.1.
local function zstd_frame(blocks, window_log)
  local parts = { "\40\181\47\253\0", string.char((window_log - 10) * 8) }
  for i = 1, blocks do
    parts[#parts + 1] = u24((i == blocks and 1 or 0) + 2 + 8 * 128 * 1024) .. "\0"
  end
  return table.concat(parts)
end

local function zeros(count, program)
  return command(("head -c %d /dev/zero | %s"):format(count, program))
end

local function bombs()
  return {
    { "gzip", "one member", zeros(64 * MIB, "gzip -9") },
    { "gzip", "64 members", zeros(MIB, "gzip -9"):rep(64) },
    { "gzip", "honest at first", command("( head -c 200K /dev/urandom; head -c 64M /dev/zero ) | gzip -9") },
    { "gzip", "behind 5,000 empty members", zeros(0, "gzip"):rep(5000) .. zeros(64 * MIB, "gzip -9") },
    { "gzip", "a length in its trailer that is a lie", zeros(64 * MIB, "gzip -9"):sub(1, -5) .. "\1\0\0\0" },
    { "zstd", "one frame", zeros(64 * MIB, "zstd -19 -c") },
    { "zstd", "a window of 8 MiB", zstd_frame(512, 23) },
    { "zstd", "64 frames with windows of 8 MiB", zstd_frame(8, 23):rep(64) },
    { "zstd", "a window of 128 MiB", zeros(64 * MIB, "zstd -19 --long=27 --ultra -c"), 400 },
    { "zstd", "a window of 2 TiB", zstd_frame(512, 41), 400 },
  }
end

local function request(bomb)
  return ("POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n"):format(bomb[1], #bomb[3]) .. bomb[3]
end

-- Sends them all, then takes the answers as they come. Returns the longest time from the end of a request to its answer.
local function blow(server, list)
  local waiting, of = {}, {}
  for i, bomb in ipairs(list) do
    local c = server:connect()
    of[c.sock] = { bomb = bomb, bytes = request(bomb) }
    waiting[i] = c.sock
  end
  for _, sock in ipairs(waiting) do
    assert(sock:send(of[sock].bytes))
    of[sock].sent = socket.gettime()
  end
  local longest = 0
  while #waiting > 0 do
    local ready = socket.select(waiting, nil, 30)
    assert(#ready > 0, "no answer within 30 s")
    for _, sock in ipairs(ready) do
      local one = of[sock]
      longest = math.max(longest, socket.gettime() - one.sent)
      local line = assert(sock:receive("*l"))
      local wanted = one.bomb[4] or 413
      assert(tonumber(line:match("^HTTP/1.1 (%d+)")) == wanted, ("%s, %s: %s, wanted %d"):format(one.bomb[1], one.bomb[2], line, wanted))
      sock:close()
      for i = #waiting, 1, -1 do
        if waiting[i] == sock then table.remove(waiting, i) end
      end
    end
  end
  return longest
end

row {
  number = 15,
  name = "bodies that inflate 1000:1",
  -- The clock counts in the long form alone; elsewhere other work on the machine decides, and CPU time is held to what keeps to the clock: two cores for 200 ms.
  short = { at_once = 50, rounds = 1, slack = 10 },
  long = { at_once = 50, rounds = 10, slack = 1 },
  run = function(p)
    -- One of two hides no memory, the other is as it is: giving memory back to the kernel each time costs CPU.
    local measured, server = moongate.start { env = proc.plain_heap }, moongate.start {}
    local pid = server.process.pid
    local all = bombs()
    local slowest, largest, most, dearest = 0, 0, 0, 0
    for _, one in ipairs { measured, server } do
      assert(one:request { method = "POST", path = "/v1/events", body = '{"type":"x"}' }.status == 200)
    end
    for _ = 1, p.rounds do
      for _, bomb in ipairs(all) do
        local name = bomb[1] .. ", " .. bomb[2]
        local memory = proc.growth(measured.process.pid, function() blow(measured, { bomb }) end)
        assert(memory < MEMORY, ("%s: %.1f MiB more memory"):format(name, memory / MIB))
        largest = math.max(largest, memory)
        local many = {}
        for i = 1, p.at_once do many[i] = bomb end
        local longest, cpu = 0, proc.cpu_seconds(pid)
        memory = proc.growth(pid, function() longest = blow(server, many) end)
        cpu = proc.cpu_seconds(pid) - cpu
        slowest, most, dearest = math.max(slowest, longest), math.max(most, memory), math.max(dearest, cpu)
        assert(memory < MEMORY * p.at_once, ("%s, %d at once: %.1f MiB more memory"):format(name, p.at_once, memory / MIB))
        assert(cpu <= 2 * WITHIN_S, ("%s, %d at once: %.0f ms of CPU"):format(name, p.at_once, cpu * 1000))
        assert(longest <= WITHIN_S * p.slack, ("%s, %d at once: an answer after %.0f ms"):format(name, p.at_once, longest * 1000))
      end
    end
    assert(server:request { path = "/health" }.status == 200)
    assert(server:stop() == 0 and measured:stop() == 0)
    return ("%d bombs, each %d at once: refused within %.0f ms for %.0f ms of CPU, + %.1f MiB; alone + %.1f MiB"):format(
      #all, p.at_once, slowest * 1000, dearest * 1000, most / MIB, largest / MIB)
  end,
}
