-- Bodies of Prometheus's remote_write, for specs: made of tables, and read into them. Written after the .proto files alone; compressed by Snappy's own library.
--
-- A body is a list of series: { labels = { {name, value}, … }, samples = { {value, time_ms}, … }, exemplars = { { labels, value, time_ms }, … }, histograms = number }.
local ffi = require "ffi"
local bit = require "bit"

ffi.cdef [[
int snappy_compress(const char *input, size_t input_length, char *compressed, size_t *compressed_length);
int snappy_uncompress(const char *compressed, size_t compressed_length, char *uncompressed, size_t *uncompressed_length);
int snappy_uncompressed_length(const char *compressed, size_t compressed_length, size_t *result);
size_t snappy_max_compressed_length(size_t source_length);
]]
local snappy = ffi.load("snappy")

local remote_write = {}

-- ---- snappy ----

function remote_write.compress(text)
  local size = ffi.new("size_t[1]", snappy.snappy_max_compressed_length(#text))
  local out = ffi.new("char[?]", size[0])
  assert(snappy.snappy_compress(text, #text, out, size) == 0)
  return ffi.string(out, size[0])
end

function remote_write.uncompress(block)
  local size = ffi.new("size_t[1]")
  assert(snappy.snappy_uncompressed_length(block, #block, size) == 0)
  local out = ffi.new("char[?]", size[0] + 1)
  assert(snappy.snappy_uncompress(block, #block, out, size) == 0)
  return ffi.string(out, size[0])
end

-- ---- writing ----

-- A number, negative ones as int64 has them.
local function varint(n)
  local v, bytes = ffi.cast("uint64_t", ffi.cast("int64_t", n)), {}
  while v >= 128 do
    bytes[#bytes + 1] = string.char(tonumber(bit.band(v, 127)) + 128)
    v = bit.rshift(v, 7)
  end
  bytes[#bytes + 1] = string.char(tonumber(v))
  return table.concat(bytes)
end
remote_write.varint = varint

local function field(number, bytes)
  return varint(number * 8 + 2) .. varint(#bytes) .. bytes
end
remote_write.field = field

local function number_field(number, n)
  return varint(number * 8) .. varint(n)
end

local function double_field(number, value)
  return varint(number * 8 + 1) .. ffi.string(ffi.new("double[1]", value), 8)
end

-- A double of these bits: for NaNs.
function remote_write.double(high, low)
  local value = ffi.new("union { uint32_t bits[2]; double value; }")
  value.bits[0], value.bits[1] = low, high
  return value.value
end

local function labels_1(labels)
  local out = {}
  for _, l in ipairs(labels) do out[#out + 1] = field(1, field(1, l[1]) .. field(2, l[2])) end
  return table.concat(out)
end

-- A message prometheus.WriteRequest; `metadata`: a list of { type, name, help, unit }.
function remote_write.message_1(series, metadata)
  local out = {}
  for _, s in ipairs(series) do
    local parts = { labels_1(s.labels) }
    for _, sample in ipairs(s.samples or {}) do
      parts[#parts + 1] = field(2, double_field(1, sample[1]) .. number_field(2, sample[2]))
    end
    for _, e in ipairs(s.exemplars or {}) do
      parts[#parts + 1] = field(3, labels_1(e[1]) .. double_field(2, e[2]) .. number_field(3, e[3]))
    end
    for _ = 1, s.histograms or 0 do parts[#parts + 1] = field(4, number_field(1, 3)) end
    out[#out + 1] = field(1, table.concat(parts))
  end
  for _, m in ipairs(metadata or {}) do
    out[#out + 1] = field(3, number_field(1, m[1]) .. field(2, m[2]) .. field(4, m[3] or "") .. field(5, m[4] or ""))
  end
  return table.concat(out)
end

-- A message io.prometheus.write.v2.Request.
function remote_write.message_2(series)
  local symbols, numbers, out = { "" }, { [""] = 0 }, {}
  local function symbol(text)
    if not numbers[text] then
      numbers[text] = #symbols
      symbols[#symbols + 1] = text
    end
    return varint(numbers[text])
  end
  local function refs(labels)
    local list = {}
    for _, l in ipairs(labels) do list[#list + 1] = symbol(l[1]) .. symbol(l[2]) end
    return field(1, table.concat(list))
  end
  for _, s in ipairs(series) do
    local parts = { refs(s.labels) }
    for _, sample in ipairs(s.samples or {}) do
      parts[#parts + 1] = field(2, double_field(1, sample[1]) .. number_field(2, sample[2]))
    end
    for _ = 1, s.histograms or 0 do parts[#parts + 1] = field(3, number_field(1, 3)) end
    for _, e in ipairs(s.exemplars or {}) do
      parts[#parts + 1] = field(4, refs(e[1]) .. double_field(2, e[2]) .. number_field(3, e[3]))
    end
    out[#out + 1] = field(5, table.concat(parts))
  end
  for i, text in ipairs(symbols) do symbols[i] = field(4, text) end
  return table.concat(symbols) .. table.concat(out)
end

-- A POST of a message; `headers` besides or in the place of those of a sender.
function remote_write.request(message, version, headers)
  local request = {
    method = "POST",
    path = "/api/v1/write",
    body = remote_write.compress(message),
    headers = {
      ["Content-Encoding"] = "snappy",
      ["Content-Type"] = version == 2 and "application/x-protobuf;proto=io.prometheus.write.v2.Request" or "application/x-protobuf",
      ["X-Prometheus-Remote-Write-Version"] = version == 2 and "2.0.0" or "0.1.0",
    },
  }
  for name, value in pairs(headers or {}) do request.headers[name] = value or nil end
  return request
end

-- ---- reading ----

local function read_varint(text, at)
  local v, shift = ffi.new("uint64_t"), 0
  while true do
    local byte = text:byte(at)
    v = bit.bor(v, bit.lshift(ffi.cast("uint64_t", bit.band(byte, 127)), shift))
    at, shift = at + 1, shift + 7
    if byte < 128 then return v, at end
  end
end

-- The fields of a message: number, and a varint as uint64, eight bytes or a text.
local function fields(text)
  local at = 1
  return function()
    if at > #text then return nil end
    local tag, value
    tag, at = read_varint(text, at)
    local number, kind = tonumber(tag / 8), tonumber(tag % 8)
    if kind == 0 then
      value, at = read_varint(text, at)
    elseif kind == 1 then
      value, at = text:sub(at, at + 7), at + 8
    else
      assert(kind == 2, "a wire type that nobody sends")
      local len
      len, at = read_varint(text, at)
      value, at = text:sub(at, at + tonumber(len) - 1), at + tonumber(len)
    end
    return number, value
  end
end

local function read_label(text)
  local label = { "", "" }
  for number, value in fields(text) do label[number] = value end
  return label
end

local function read_sample(text)
  local sample = { "\0\0\0\0\0\0\0\0", 0 }
  for number, value in fields(text) do sample[number] = number == 2 and tonumber(ffi.cast("int64_t", value)) or value end
  return sample
end

-- A message prometheus.WriteRequest as a list of series. A sample's value is its eight bytes, since NaNs are told apart.
function remote_write.read_1(message)
  local list = {}
  for number, series in fields(message) do
    if number == 1 then
      local s = { labels = {}, samples = {}, exemplars = 0 }
      for kind, value in fields(series) do
        if kind == 1 then
          s.labels[#s.labels + 1] = read_label(value)
        elseif kind == 2 then
          s.samples[#s.samples + 1] = read_sample(value)
        elseif kind == 3 then
          s.exemplars = s.exemplars + 1
        end
      end
      list[#list + 1] = s
    end
  end
  return list
end

return remote_write
