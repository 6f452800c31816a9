-- A target to be scraped: an HTTP server in the specs' own process. It answers while somebody waits on it: poll() serves whoever has come.
local ffi = require "ffi"
local socket = require "socket"

ffi.cdef "int fcntl(int fd, int command, ...);"
local F_SETFD, FD_CLOEXEC = 2, 1

local target = {}
target.__index = target

-- Listens on a free port of this machine. Its `answer` is a body, or a function of the request's text that gives status, headers and body.
function target.new(answer)
  local listener = assert(socket.bind("127.0.0.1", 0))
  listener:settimeout(0)
  -- Or the processes that specs start would keep it open.
  assert(ffi.C.fcntl(listener:getfd(), F_SETFD, ffi.cast("int", FD_CLOEXEC)) == 0)
  local _, port = listener:getsockname()
  return setmetatable({ listener = listener, addr = "127.0.0.1:" .. port, answer = answer, requests = {} }, target)
end

local function read_request(sock)
  local lines = {}
  while true do
    local line = sock:receive("*l")
    if not line or line == "" then return table.concat(lines, "\n") end
    lines[#lines + 1] = line
  end
end

function target:reply(request)
  if type(self.answer) == "function" then return self.answer(request) end
  return "200 OK", { ["Content-Type"] = "text/plain; version=0.0.4" }, self.answer
end

-- Serves those who have come.
function target:poll()
  while self.listener do
    local sock = self.listener:accept()
    if not sock then return end
    sock:settimeout(5)
    local request = read_request(sock)
    self.requests[#self.requests + 1] = request
    local status, headers, body = self:reply(request)
    local head = { "HTTP/1.1 " .. status, "Connection: close", "Content-Length: " .. #body }
    for name, value in pairs(headers) do head[#head + 1] = name .. ": " .. value end
    sock:send(table.concat(head, "\r\n") .. "\r\n\r\n" .. body)
    sock:close()
  end
end

function target:close()
  if self.listener then self.listener:close() end
  self.listener = nil
end

return target
