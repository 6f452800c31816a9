-- kill -9 at any moment loses no acknowledged event and counts none twice.
local moongate = require "tests.spec.support.moongate"
local json = require "cjson"

local ROUNDS = 30
local PER_BODY = 20

local script = [[
local sum = counter "sum_total" { labels = { "user_id" } }
local n = counter "n_total" { labels = {} }
on("load", function(ev) sum:add(ev.v, ev.user_id) n:inc() end)
]]

-- A body of events with ids that no other body has, and what it adds to the books.
local function make_body(round, i)
  local lines, sum = {}, 0
  for k = 1, PER_BODY do
    local v = (round * 7 + i * 3 + k) % 50
    sum = sum + v
    lines[k] = ('{"type":"load","id":"r%d-b%d-e%d","user_id":"u%d","v":%d}'):format(round, i, k, k % 5, v)
  end
  return table.concat(lines, "\n"), sum
end

describe("thirty rounds of load, kill -9 and restart", function()
  it("keep the sums exact", function()
    local server = moongate.start {
      scripts = { ["metrics/sum.lua"] = script },
      conf = { journal = { segment_bytes = "1MiB", checkpoint = "1s" } },
    }
    finally(function() server:stop() end)
    local told_sum, told_events = 0, 0

    local function account(reply, sum)
      local counts = json.decode(reply.body)
      assert.equal(200, reply.status)
      assert.equal(PER_BODY, counts.accepted + counts.duplicate)
      told_sum = told_sum + sum
      told_events = told_events + PER_BODY
    end

    for round = 1, ROUNDS do
      local unanswered = {}
      local connections = {}
      for c = 1, 4 do connections[c] = server:connect() end
      -- Some bodies are answered, the last one of each connection is under way when the process dies.
      local bodies = 3 + round % 5
      for i = 1, bodies do
        for c, connection in ipairs(connections) do
          local body, sum = make_body(round, i * 10 + c)
          connection:send { method = "POST", path = "/v1/events", body = body }
          if i < bodies then
            account(connection:receive(), sum)
          else
            unanswered[#unanswered + 1] = { body = body, sum = sum, connection = connection }
          end
        end
      end
      if round % 3 == 0 then
        local first = unanswered[1]
        local reply = first.connection:receive()
        account(reply, first.sum)
        table.remove(unanswered, 1)
      end
      server:kill9()
      for _, connection in ipairs(connections) do connection:close() end
      server:restart()
      -- What was not acknowledged is sent again, as a client does.
      for _, u in ipairs(unanswered) do
        account(server:request { method = "POST", path = "/v1/events", body = u.body }, u.sum)
      end
      local metrics = server:metrics()
      local total = 0
      for u = 0, 4 do total = total + (metrics:get("sum_total", { user_id = "u" .. u }) or 0) end
      assert.equal(told_sum, total, "round " .. round)
      assert.equal(told_events, metrics:get("n_total", {}), "round " .. round)
    end
  end)
end)
