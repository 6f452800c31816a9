-- What a process has used, from /proc.
local proc = {}

local function read(pid, name)
  local f = assert(io.open(("/proc/%d/%s"):format(pid, name), "rb"))
  local text = f:read("*a")
  f:close()
  return text
end

local function status_bytes(pid, field)
  return tonumber(read(pid, "status"):match(field .. ":%s*(%d+) kB")) * 1024
end

function proc.resident(pid)
  return status_bytes(pid, "VmRSS")
end

-- By how many bytes the most that was resident during fn() was over what was resident before it.
function proc.growth(pid, fn)
  local f = assert(io.open(("/proc/%d/clear_refs"):format(pid), "wb"))
  f:write("5") -- the high-water mark begins again
  f:close()
  local before = proc.resident(pid)
  fn()
  return math.max(status_bytes(pid, "VmHWM") - before, 0)
end

-- CPU seconds of all its threads so far; in steps of 10 ms.
function proc.cpu_seconds(pid)
  local utime, stime = read(pid, "stat"):match("^.*%) %S+ " .. ("%S+ "):rep(10) .. "(%d+) (%d+)")
  return (tonumber(utime) + tonumber(stime)) / 100
end

return proc
