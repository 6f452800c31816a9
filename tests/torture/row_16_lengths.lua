-- Lengths that are declared and never sent, from 2^31 to beyond 2^64: refused by the number alone.
package.path = "./?.lua;" .. package.path
local moongate = require "tests.spec.support.moongate"
local proc = require "tests.torture.support.proc"
local row = require "tests.torture.support.row"

local MIB = 1024 * 1024

-- Name, in decimal, in hexadecimal.
local lengths = {
  { "2^31 - 1", "2147483647", "7fffffff" },
  { "2^31", "2147483648", "80000000" },
  { "2^32 - 1", "4294967295", "ffffffff" },
  { "2^32", "4294967296", "100000000" },
  { "2^32 + 12", "4294967308", "10000000c" },
  { "2^53 + 1", "9007199254740993", "20000000000001" },
  { "2^63 - 1", "9223372036854775807", "7fffffffffffffff" },
  { "2^63", "9223372036854775808", "8000000000000000" },
  { "2^64 - 1", "18446744073709551615", "ffffffffffffffff" },
}
-- No number of bytes that there could be.
local beyond = {
  { "2^64", "18446744073709551616", "10000000000000000" },
  { "2^64 + 12", "18446744073709551628", "1000000000000000c" },
  { "10^30", "1" .. ("0"):rep(30), "c9f2c9cd04674edea40000000" },
}

local function post(headers, body, path)
  return "POST " .. (path or "/v1/events") .. " HTTP/1.1\r\nHost: localhost\r\n" .. headers .. "\r\n\r\n" .. body
end

local function coded(coding, body)
  return post(("Connection: close\r\nContent-Encoding: %s\r\nContent-Length: %d"):format(coding, #body), body)
end

-- The bytes of a hexadecimal number, the lowest first.
local function little_endian(hex, bytes)
  local padded = ("0"):rep(2 * bytes - #hex) .. hex
  return (padded:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end):reverse())
end

-- The varint of a hexadecimal number.
local function varint(hex)
  local bits = hex:gsub("%x", function(digit)
    local n, four = tonumber(digit, 16), ""
    for bit = 3, 0, -1 do four = four .. math.floor(n / 2 ^ bit) % 2 end
    return four
  end):gsub("^0+", "")
  local bytes = {}
  for at = #bits, 1, -7 do
    local seven = tonumber(bits:sub(math.max(1, at - 6), at), 2)
    bytes[#bytes + 1] = string.char(seven + (at > 7 and 128 or 0))
  end
  return table.concat(bytes)
end

local PROTOBUF = "Connection: close\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: identity\r\nContent-Length: %d"

local function message(body)
  return post(PROTOBUF:format(#body), body, "/api/v1/write")
end

local ZSTD = "\40\181\47\253"
local RAW_BLOCK = "\97\0\0" .. '{"type":"x"}' -- the last, of 12 bytes

local function cases()
  local list = {}
  local function add(name, wanted, bytes) list[#list + 1] = { name = name, wanted = wanted, bytes = bytes } end
  for _, group in ipairs { { lengths, 413 }, { beyond, 400 } } do
    for _, n in ipairs(group[1]) do
      add("Content-Length " .. n[1], group[2], post("Content-Length: " .. n[2], '{"type":"x"}'))
      add("Content-Length " .. n[1] .. ", to be continued", group[2], post("Expect: 100-continue\r\nContent-Length: " .. n[2], ""))
      add("a chunk of " .. n[1], group[2], post("Transfer-Encoding: chunked", n[3] .. '\r\n{"type":"x"}\r\n'))
      add("a later chunk of " .. n[1], group[2], post("Transfer-Encoding: chunked", 'c\r\n{"type":"x"}\r\n' .. n[3] .. "\r\n{"))
    end
  end
  for _, n in ipairs(lengths) do
    if n[1] ~= "2^64 - 1" then -- which zstd itself takes for a frame that does not say: then it has what it has
      local size = little_endian(n[3], 8)
      add("a zstd frame of " .. n[1], 413, coded("zstd", ZSTD .. "\192\0" .. size .. RAW_BLOCK))
      add("a zstd segment of " .. n[1], 413, coded("zstd", ZSTD .. "\224" .. size .. RAW_BLOCK))
      -- What another frame says is not believed either: it is inflated, and found not to hold it.
      add("a second zstd frame of " .. n[1], 400, coded("zstd", ZSTD .. "\0\0" .. RAW_BLOCK .. ZSTD .. "\192\0" .. size .. RAW_BLOCK))
    end
  end
  for i, n in ipairs(lengths) do
    local length = varint(n[3])
    -- Past 2^32 it is no length of the format any more.
    add("a Snappy block of " .. n[1], i <= 3 and 413 or 400, coded("snappy", length .. "\48" .. '{"type":"x"}'))
    add("a Snappy literal of " .. n[1], 400, coded("snappy", "\12\252" .. little_endian(n[3], 8):sub(1, 4) .. '{"type":"x"}'))
    add("a protobuf series of " .. n[1], 400, message("\10" .. length .. "x"))
    add("protobuf labels of " .. n[1], 400, message("\10\12\10" .. length .. ("x"):rep(10)))
    add("a field that is not known of " .. n[1], 400, message("\10\12\122" .. length .. ("x"):rep(10)))
  end
  for log = 31, 41 do
    add("a zstd window of 2^" .. log, 400, coded("zstd", ZSTD .. "\0" .. string.char((log - 10) * 8) .. RAW_BLOCK))
  end
  for _, hex in ipairs { "7fffffff", "80000000", "ffffffff" } do
    add("zstd bytes to skip: " .. hex, 400, coded("zstd", "\80\42\77\24" .. little_endian(hex, 4) .. "x"))
    -- gzip has one length, of a member, behind it.
    local member = moongate.gzip('{"type":"x"}')
    add("a gzip member of " .. hex, 400, coded("gzip", member:sub(1, -5) .. little_endian(hex, 4)))
  end
  add("a gzip field of 65,535 bytes", 400, coded("gzip", "\31\139\8\4\0\0\0\0\0\3\255\255x"))
  add("a stored gzip block of 65,535 bytes", 400, coded("gzip", "\31\139\8\0\0\0\0\0\0\3\1\255\255\0\0x"))
  return list
end

local function refuse(server, case)
  local text = server:raw(case.bytes, 30) -- all that comes until the server closes
  local _, answers = text:gsub("HTTP/1%.1 %d%d%d ", "")
  local status = tonumber(text:match("^HTTP/1%.1 (%d+)"))
  assert(status == case.wanted and answers == 1, ("%s: wanted %d, got %s"):format(case.name, case.wanted, text))
end

row {
  number = 16,
  name = "declared lengths of 2^31 to 2^64",
  short = { rounds = 1 },
  long = { rounds = 50 },
  run = function(p)
    local server = moongate.start { env = proc.plain_heap }
    local pid = server.process.pid
    local all = cases()
    -- One good request of each kind first: what the server keeps for the next one is not what a length costs.
    local event = '{"type":"x"}'
    assert(server:raw(post("Connection: close\r\nTransfer-Encoding: chunked", "c\r\n" .. event .. "\r\n0\r\n\r\n")):find("^HTTP/1.1 200"))
    local packed_as = { gzip = moongate.gzip(event), zstd = ZSTD .. "\0\0" .. RAW_BLOCK, snappy = "\12\44" .. event }
    for coding, packed in pairs(packed_as) do
      local reply = server:request { method = "POST", path = "/v1/events", body = packed, headers = { ["Content-Encoding"] = coding } }
      assert(reply.status == 200, reply.body)
    end
    assert(server:raw(message("")):find("^HTTP/1.1 204"))
    local most, before = 0, proc.resident(pid)
    for _ = 1, p.rounds do
      for _, case in ipairs(all) do
        local memory = proc.growth(pid, function() refuse(server, case) end)
        most = math.max(most, memory)
        assert(memory < MIB, ("%s: %.1f MiB more memory"):format(case.name, memory / MIB))
      end
    end
    local stays = proc.resident(pid) - before
    assert(stays < MIB, ("%.1f MiB more memory stay"):format(stays / MIB))
    assert(server:metrics():get("moongate_http_bodies_bytes") == 0)
    assert(server:stop() == 0)
    return ("%d lengths, %d times: refused, + %d KiB at most, %d KiB stay"):format(#all, p.rounds, most / 1024, stays / 1024)
  end,
}
