-- Bodies of OTLP metrics for specs, in both encodings, made of the same tables; and what is answered, read. Written after the .proto files.
--
-- A request is { resource = { {key, text}, … }, metrics = { metric, … } }; a metric { name, unit, kind = "gauge"|"sum"|"histogram", delta,
-- monotonic, points = { point, … } }; a point { ms, from (ms), value, attributes = { {key, text}, … }, bounds, counts, sum }.
local ffi = require "ffi"
local json = require "cjson"
local remote_write = require "tests.spec.support.remote_write"

local varint, field = remote_write.varint, remote_write.field
local otlp = {}

-- ---- JSON ----

local function attributes_json(list)
  local out = {}
  for i, a in ipairs(list or {}) do out[i] = { key = a[1], value = { stringValue = a[2] } } end
  return #out > 0 and out or nil -- an empty table would be an object
end

local function ns(ms) return ms and ("%d000000"):format(ms) end

local function point_json(p)
  local out = { attributes = attributes_json(p.attributes), timeUnixNano = ns(p.ms), startTimeUnixNano = ns(p.from), asDouble = p.value, sum = p.sum }
  if p.counts then
    local total = 0
    for _, n in ipairs(p.counts) do total = total + n end
    out.bucketCounts, out.explicitBounds, out.count = p.counts, p.bounds, tostring(total)
  end
  return out
end

function otlp.json(request)
  local metrics = {}
  for i, m in ipairs(request.metrics) do
    local points = {}
    for k, p in ipairs(m.points) do points[k] = point_json(p) end
    local data = { dataPoints = points }
    if m.kind ~= "gauge" then data.aggregationTemporality = m.delta and 1 or 2 end
    if m.kind == "sum" then data.isMonotonic = m.monotonic or false end
    metrics[i] = { name = m.name, unit = m.unit, [m.kind] = data }
  end
  local scope = { scope = { name = "spec" }, metrics = #metrics > 0 and metrics or nil }
  return json.encode { resourceMetrics = { { resource = { attributes = attributes_json(request.resource) }, scopeMetrics = { scope } } } }
end

-- ---- Protocol Buffers ----

local function fixed(number, n) return varint(number * 8 + 1) .. ffi.string(ffi.new("uint64_t[1]", n), 8) end
local function double(number, v) return varint(number * 8 + 1) .. ffi.string(ffi.new("double[1]", v), 8) end
local function time(number, ms) return ms and fixed(number, ffi.cast("uint64_t", ms) * 1000000) or "" end

local function attributes(number, list)
  local out = {}
  for i, a in ipairs(list or {}) do out[i] = field(number, field(1, a[1]) .. field(2, field(1, a[2]))) end
  return table.concat(out)
end

local function point(p)
  local times = time(2, p.from) .. time(3, p.ms)
  if not p.counts then return attributes(7, p.attributes) .. times .. (p.value and double(4, p.value) or "") end
  local total, parts = 0, {}
  for _, n in ipairs(p.counts) do
    total = total + n
    parts[#parts + 1] = fixed(6, n) -- one a field, which is as good as packed
  end
  for _, bound in ipairs(p.bounds) do parts[#parts + 1] = double(7, bound) end
  return times .. fixed(4, total) .. double(5, p.sum) .. table.concat(parts) .. attributes(9, p.attributes)
end

function otlp.protobuf(request)
  local numbers, metrics = { gauge = 5, sum = 7, histogram = 9 }, {}
  for i, m in ipairs(request.metrics) do
    local data = {}
    for k, p in ipairs(m.points) do data[k] = field(1, point(p)) end
    if m.kind ~= "gauge" then data[#data + 1] = varint(2 * 8) .. varint(m.delta and 1 or 2) end
    if m.monotonic then data[#data + 1] = varint(3 * 8) .. varint(1) end
    metrics[i] = field(2, field(1, m.name) .. field(3, m.unit or "") .. field(numbers[m.kind], table.concat(data)))
  end
  local scope = field(1, field(1, "spec")) .. table.concat(metrics)
  return field(1, field(1, attributes(1, request.resource)) .. field(2, scope))
end

-- ---- traces ----

-- Bodies of spans: { resource = { {key, text}, … }, spans = { { trace (32 digits), id (16), parent, name, kind, from (ms), ms (its end), attributes, error }, … } }.
function otlp.traces_json(request)
  local spans = {}
  for i, s in ipairs(request.spans) do
    spans[i] = { traceId = s.trace, spanId = s.id, parentSpanId = s.parent, name = s.name, kind = s.kind,
      startTimeUnixNano = ns(s.from), endTimeUnixNano = ns(s.ms),
      attributes = attributes_json(s.attributes), status = s.error and { code = 2, message = s.error } }
  end
  return json.encode { resourceSpans = { { resource = { attributes = attributes_json(request.resource) },
    scopeSpans = { { scope = { name = "spec" }, spans = #spans > 0 and spans or nil } } } } }
end

local function bytes(hex) return (hex:gsub("..", function(digits) return string.char(tonumber(digits, 16)) end)) end

function otlp.traces_protobuf(request)
  local spans = {}
  for i, s in ipairs(request.spans) do
    spans[i] = field(2, field(1, bytes(s.trace)) .. field(2, bytes(s.id)) .. (s.parent and field(4, bytes(s.parent)) or "") .. field(5, s.name)
      .. varint(6 * 8) .. varint(s.kind or 0) .. time(7, s.from) .. time(8, s.ms) .. attributes(9, s.attributes)
      .. (s.error and field(15, field(2, s.error) .. varint(3 * 8) .. varint(2)) or ""))
  end
  return field(1, field(1, attributes(1, request.resource)) .. field(2, field(1, field(1, "spec")) .. table.concat(spans)))
end

-- ---- answers ----

-- Fields of a small message by number: numbers and texts.
local function read_message(text)
  local out, at = {}, 1
  local function read_varint()
    local v, shift = 0, 1
    while true do
      local byte = text:byte(at)
      at = at + 1
      v = v + (byte % 128) * shift
      if byte < 128 then return v end
      shift = shift * 128
    end
  end
  while at <= #text do
    local tag = read_varint()
    if tag % 8 == 0 then
      out[(tag - tag % 8) / 8] = read_varint()
    else
      assert(tag % 8 == 2)
      local len = read_varint()
      out[(tag - 2) / 8] = text:sub(at, at + len - 1)
      at = at + len
    end
  end
  return out
end

-- What an answer of 200 says was refused: how many, and why. Nothing where all was taken.
function otlp.partial_success(reply)
  if reply.headers["content-type"] == "application/json" then
    local partial = json.decode(reply.body).partialSuccess
    if partial then return tonumber(partial.rejectedDataPoints or partial.rejectedSpans), partial.errorMessage end
    assert(reply.body == "{}")
    return nil
  end
  assert(reply.headers["content-type"] == "application/x-protobuf")
  local partial = read_message(reply.body)[1]
  if not partial then return nil end
  local m = read_message(partial)
  return m[1] or 0, m[2]
end

-- A google.rpc.Status: its message and code.
function otlp.status(reply)
  if reply.headers["content-type"] == "application/json" then
    local status = json.decode(reply.body)
    return status.message, status.code
  end
  assert(reply.headers["content-type"] == "application/x-protobuf")
  local m = read_message(reply.body)
  return m[2], m[1]
end

-- A POST of a body in one of the encodings, of metrics where no path is given.
function otlp.post(body, encoding, headers, path)
  local request = { method = "POST", path = path or "/v1/metrics", body = body,
    headers = { ["Content-Type"] = encoding == "json" and "application/json" or "application/x-protobuf" } }
  for name, value in pairs(headers or {}) do request.headers[name] = value or nil end
  return request
end

return otlp
