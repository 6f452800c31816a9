-- Requests that a proxy might cut in another place than we do (tests/unit/net/malformed.txt), each with a whole request behind it: 400, the end of the connection, and
-- never an answer to what was smuggled.
package.path = "./?.lua;" .. package.path
local socket = require "socket"
local moongate = require "tests.spec.support.moongate"
local row = require "tests.torture.support.row"

local post = "POST /v1/events HTTP/1.1\r\nHost: a\r\n"
local event = '{"type":"smuggled"}'
local smuggled = ("%sContent-Length: %d\r\n\r\n%s"):format(post, #event, event)
local good = "GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n"

local escapes = { ["\\r"] = "\r", ["\\n"] = "\n", ["\\t"] = "\t", ["\\\\"] = "\\" }

local function cases()
  local list = {}
  for line in io.lines("tests/unit/net/malformed.txt") do
    local what, text = line:match("^([^#].-)%s* | (.*)$")
    if what then
      local bytes = text:gsub("{post}", post):gsub("{chunked}", post .. "Transfer-Encoding: chunked\r\n\r\n"):gsub("\\x(%x%x)", function(hex)
        return string.char(tonumber(hex, 16))
      end):gsub("\\.", escapes)
      list[#list + 1] = { what, bytes }
    end
  end
  return list
end

-- Sends the pieces and returns the statuses of all answers until the server closes.
local function answers(server, pieces)
  local c = server:connect()
  for i, piece in ipairs(pieces) do
    if i > 1 then socket.sleep(0.002) end -- so that it comes by itself; if it does not, another case is tested
    if not c:send_raw(piece) then break end -- refused already
  end
  local text, why, partial = c.sock:receive("*a")
  c:close()
  assert(text or why ~= "timeout", "the connection stays open")
  local list = {}
  for status in (text or partial):gmatch("HTTP/1%.[01] (%d%d%d) ") do list[#list + 1] = status end
  return table.concat(list, " ")
end

local function expect(found, wanted, what, how)
  assert(found == wanted, ("%s, %s: answered %s, wanted %s"):format(what, how, found, wanted))
end

row {
  number = 18,
  name = "request smuggling",
  short = { cuts = 0 },
  long = { cuts = 1000 },
  run = function(p)
    local server = moongate.start {
      scripts = { ["metrics/n.lua"] = 'local n = counter "smuggled_total" { labels = {} } on("smuggled", function() n:inc() end)' },
    }
    -- What is smuggled would be answered, and counted, if it were taken for a request.
    local c = server:connect()
    c:send_raw(good .. smuggled)
    assert(c:receive().status == 200 and c:receive().status == 200)
    c:close()
    assert(server:metrics():get("smuggled_total") == 1)
    local list, sent = cases(), 0
    assert(#list >= 60)
    for _, case in ipairs(list) do
      local what, bytes = case[1], case[2]
      expect(answers(server, { bytes .. smuggled }), "400", what, "at once")
      expect(answers(server, { bytes .. smuggled .. smuggled .. good }), "400", what, "three behind it")
      expect(answers(server, { good .. bytes .. smuggled }), "200 400", what, "behind a good one")
      expect(answers(server, { bytes, smuggled }), "400", what, "the smuggled one later")
      sent = sent + 4
      for cut = 1, math.min(#bytes - 1, p.cuts) do
        expect(answers(server, { bytes:sub(1, cut), bytes:sub(cut + 1) .. smuggled }), "400", what, "cut at " .. cut)
        sent = sent + 1
      end
    end
    assert(server:metrics():get("smuggled_total") == 1, "a smuggled request was served")
    assert(server:stop() == 0)
    return ("%d cases in %d ways: 400 and closed, none answered twice"):format(#list, sent / #list)
  end,
}
