-- Drives the real binary: starts it on a free port in a directory of its own, speaks HTTP to it, kills it, starts it again.
local json = require "cjson"
local socket = require "socket"
local process = require "tests.spec.support.process"
local exposition = require "tests.spec.support.exposition"

local moongate = { process = process }
local server = {}
server.__index = server
local connection = {}
connection.__index = connection

local SLOW = tonumber(os.getenv("MOONGATE_TEST_SLOW") or "1")
moongate.binary = os.getenv("MOONGATE_BIN") or "build/moongate"

local function read_file(path)
  local f = io.open(path, "rb")
  if not f then return nil end
  local text = f:read("*a")
  f:close()
  return text
end
moongate.read_file = read_file

local function write_file(path, text)
  local f = assert(io.open(path, "wb"))
  f:write(text)
  f:close()
end
moongate.write_file = write_file

local function run(command)
  local code = os.execute(command)
  assert(code == 0 or code == true, "failed: " .. command)
end

-- Waits until fn() is true and returns what it returned; an error after `seconds` (longer under sanitizers).
function moongate.wait_until(fn, seconds, what)
  local deadline = socket.gettime() + seconds * SLOW
  while true do
    local result = fn()
    if result then return result end
    if socket.gettime() > deadline then error("waited in vain for " .. what, 2) end
    socket.sleep(0.01)
  end
end

-- The output of a shell command and its exit code; `input` goes to its standard input.
function moongate.sh(command, input)
  local dir = process.temporary_dir()
  if input then write_file(dir .. "/in", input) end
  local from = input and dir .. "/in" or "/dev/null"
  local pipe = io.popen(("( %s ) < %s 2>&1; code=$?; echo; echo $code"):format(command, from))
  local text = pipe:read("*a")
  pipe:close()
  run("rm -rf " .. dir)
  local output, code = text:match("^(.*)\n(%d+)\n$")
  return output, tonumber(code)
end

-- In hexadecimal, as the configuration has tokens.
function moongate.sha256(text)
  return (moongate.sh("sha256sum", text):match("^%x+"))
end

-- A time of now, for samples.
function moongate.now_ms() return os.time() * 1000 end

-- The binary's path, good from any directory.
function moongate.absolute_binary()
  if moongate.binary:sub(1, 1) == "/" then return moongate.binary end
  return moongate.sh("pwd"):gsub("\n", "") .. "/" .. moongate.binary
end

function moongate.gzip(text)
  return (moongate.sh("gzip -c", text):gsub("\n$", "", 1))
end

local function lua_literal(value)
  if type(value) == "table" then
    local parts = {}
    for k, v in pairs(value) do
      local name = type(k) == "number" and "" or ("[%q] = "):format(k)
      parts[#parts + 1] = name .. lua_literal(v)
    end
    return "{ " .. table.concat(parts, ", ") .. " }"
  end
  return type(value) == "string" and ("%q"):format(value) or tostring(value)
end
moongate.lua_literal = lua_literal

-- ---- HTTP, written by hand so that specs can send anything ----

-- A body in chunks, whose trailers are passed over. Nil where the connection ends in it.
local function read_chunks(sock)
  local parts = {}
  while true do
    local line = sock:receive("*l")
    local length = line and tonumber(line:match("^%x+"), 16)
    if not length then return nil end
    if length == 0 then break end
    parts[#parts + 1] = sock:receive(length)
    if sock:receive(2) ~= "\r\n" then return nil end
  end
  repeat local line = sock:receive("*l") until line == "" or not line
  return table.concat(parts)
end

local function read_reply(sock, method)
  local line, why = sock:receive("*l")
  if not line then return nil, why end
  local status = tonumber(line:match("^HTTP/1%.[01] (%d%d%d)"))
  assert(status, "no status line: " .. line)
  local headers = {}
  while true do
    line = assert(sock:receive("*l"))
    if line == "" then break end
    local name, value = line:match("^([^:]+):%s*(.-)%s*$")
    headers[name:lower()] = value
  end
  local chunked = headers["transfer-encoding"] == "chunked"
  assert(chunked or headers["content-length"] or status < 200 or status == 204, "a reply without a length")
  local length = tonumber(headers["content-length"] or 0)
  local body = ""
  if chunked and method ~= "HEAD" then body = assert(read_chunks(sock), "the body ends too early") end
  if length > 0 and method ~= "HEAD" then body = assert(sock:receive(length)) end
  return { status = status, headers = headers, body = body }
end

local function format_request(request)
  local lines = { ("%s %s HTTP/1.1"):format(request.method or "GET", request.path or "/") }
  local headers = { Host = "localhost" }
  if request.body then headers["Content-Length"] = tostring(#request.body) end
  for name, value in pairs(request.headers or {}) do headers[name] = value end
  for name, value in pairs(headers) do lines[#lines + 1] = name .. ": " .. value end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (request.body or "")
end

function connection:send(request)
  self.method = request.method
  assert(self.sock:send(format_request(request)))
end

function connection:send_raw(bytes)
  return self.sock:send(bytes)
end

function connection:receive()
  return read_reply(self.sock, self.method)
end

function connection:request(request)
  self:send(request)
  local reply, why = self:receive()
  if not reply then error(self.server and self.server:explain(why) or "no answer: " .. tostring(why), 2) end
  return reply
end

function connection:close()
  self.sock:close()
end

local function open_connection(addr)
  local host, port = addr:match("^(.*):(%d+)$")
  local sock, why = socket.connect(host:gsub("[%[%]]", ""), tonumber(port))
  if not sock then return nil, why end
  sock:settimeout(30 * SLOW)
  sock:setoption("tcp-nodelay", true)
  return setmetatable({ sock = sock }, connection)
end

-- A connection to a server that another process started.
function moongate.connect(addr)
  return assert(open_connection(addr))
end

function server:connect()
  local c, why = open_connection(self.addr)
  if not c then error(self:explain(why), 2) end
  c.server = self
  return c
end

-- One request on a connection of its own.
function server:request(request)
  local c = self:connect()
  local reply = c:request(request)
  c:close()
  return reply
end

-- Sends bytes as they are and returns everything that comes back until the server closes or `seconds` pass.
function server:raw(bytes, seconds)
  local c = self:connect()
  c.sock:settimeout((seconds or 5) * SLOW)
  c.sock:send(bytes)
  local text, _, partial = c.sock:receive("*a")
  c:close()
  return text or partial
end

function server:metrics(headers)
  local reply = self:request { method = "GET", path = "/metrics", headers = headers }
  assert(reply.status == 200, "GET /metrics answered " .. reply.status .. ": " .. reply.body)
  return exposition.parse(reply.body)
end

function server:reload()
  return self:request { method = "POST", path = "/-/reload", body = "" }
end

-- ---- the process ----

-- The lines of its log, decoded. A line that is not JSON is an error.
function server:log()
  local lines = {}
  for line in (read_file(self.dir .. "/stdout") or ""):gmatch("([^\n]*)\n") do
    lines[#lines + 1] = json.decode(line)
  end
  return lines
end

function server:log_find(wanted)
  for _, line in ipairs(self:log()) do
    if wanted(line) then return line end
  end
end

function server:stderr()
  return read_file(self.dir .. "/stderr") or ""
end

-- Why an answer did not come: with the end of the process and its last words, if it has ended.
function server:explain(why)
  local deadline = socket.gettime() + SLOW
  while not self.process:poll() and socket.gettime() < deadline do socket.sleep(0.01) end
  local code = self.process:poll()
  if not code then return "no answer: " .. why end
  return ("no answer: %s; moongate ended with %d:\n%s"):format(why, code, self:stderr())
end

local function count_listening(self)
  local n, addr = 0, nil
  for _, line in ipairs(self:log()) do
    if line.msg == "listening" then
      n = n + 1
      addr = line.addr
    end
  end
  return n, addr
end

-- Starts the process and does not wait for it. `under` (of start{}) comes before it: a command that runs the rest of its arguments.
function server:spawn()
  local argv = {}
  for _, arg in ipairs(self.under) do argv[#argv + 1] = arg end
  for _, arg in ipairs { moongate.binary, "run", "--conf", self.dir .. "/conf/moongate.lua", "--listen", self.listen,
    "--data", self.dir .. "/data", "--scripts", self.dir .. "/scripts" } do argv[#argv + 1] = arg end
  for _, arg in ipairs(self.args) do argv[#argv + 1] = arg end
  self.process = process.spawn(argv, self.dir .. "/stdout", self.dir .. "/stderr", self.env)
end

function server:launch()
  local before = count_listening(self)
  self:spawn()
  moongate.wait_until(function()
    if self.process:poll() then
      error(("moongate ended with %d:\n%s%s"):format(self.process.status, read_file(self.dir .. "/stdout") or "", self:stderr()), 0)
    end
    local n, addr = count_listening(self)
    self.addr = addr
    return n > before
  end, 30, "the listening line")
  moongate.wait_until(function() return self:request { path = "/-/ready" }.status == 200 end, 30, "/-/ready")
end

function server:write_script(path, text)
  local full = self.dir .. "/scripts/" .. path
  run("mkdir -p " .. full:match("^(.*)/"))
  write_file(full, text)
end

function server:remove_script(path)
  os.remove(self.dir .. "/scripts/" .. path)
end

function server:signal(name)
  self.process:signal(name)
end

function server:kill9()
  self.process:signal("KILL")
  self.process:wait(10)
end

function server:restart()
  self:launch()
end

-- SIGTERM, the end, and the exit code: 0, for another one is an error (a leak, say). Nothing when it has ended already. The directory stays
-- until the specs are over.
function server:stop()
  if not self.process or self.process:poll() then return self.process and self.process.status end
  self.process:signal("TERM")
  local code = self.process:wait(30 * SLOW)
  if code ~= 0 then error(("moongate ended with %d after SIGTERM:\n%s"):format(code, self:stderr()), 2) end
  return code
end

-- Does any file of the data directory hold this Lua pattern?
function server:data_contains(pattern)
  local pipe = io.popen("find " .. self.dir .. "/data -type f")
  local found = false
  for path in pipe:lines() do
    found = found or (read_file(path) or ""):find(pattern) ~= nil
  end
  pipe:close()
  return found
end

local dirs = {}

-- Prepares a directory: conf (a table, or conf_text), scripts (path → text). start{} launches in it as well.
function moongate.prepare(options)
  local self = setmetatable({}, server)
  self.dir = process.temporary_dir()
  dirs[#dirs + 1] = self.dir
  self.args = options.args or {}
  self.under = options.under or {}
  self.env = options.env
  self.listen = options.listen or "127.0.0.1:0"
  run(("mkdir -p %s/conf %s/scripts/metrics"):format(self.dir, self.dir))
  local conf = options.conf or {}
  conf.journal = conf.journal or { segment_bytes = "1MiB" }
  write_file(self.dir .. "/conf/moongate.lua", options.conf_text or "return " .. lua_literal(conf) .. "\n")
  for path, text in pairs(options.conf_files or {}) do write_file(self.dir .. "/conf/" .. path, text) end
  for path, text in pairs(options.scripts or {}) do self:write_script(path, text) end
  return self
end

function moongate.start(options)
  local self = moongate.prepare(options or {})
  self:launch()
  return self
end

-- Ends what is left and removes all directories; the helper file of the specs calls it when they are over.
function moongate.cleanup()
  process.kill_all()
  for _, dir in ipairs(dirs) do run("rm -rf " .. dir) end
  dirs = {}
end

return moongate
