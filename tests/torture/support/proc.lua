-- What a process has used, from /proc.
local moongate = require "tests.spec.support.moongate"

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

-- For the environment of a process that is measured: what it frees goes back to the kernel, and is not there for what is measured next.
proc.plain_heap = { MALLOC_MMAP_THRESHOLD_ = "65536", MALLOC_TRIM_THRESHOLD_ = "65536" }

-- By how many bytes the most that was resident during fn() was over what was resident before it.
function proc.growth(pid, fn)
  local before
  -- What the process still frees of what it did before would be in the mark, and not in what it is compared with. (The kernel counts in batches for
  -- each CPU, and sets the mark without adding them up.)
  moongate.wait_until(function()
    local f = assert(io.open(("/proc/%d/clear_refs"):format(pid), "wb"))
    f:write("5") -- the high-water mark begins again
    f:close()
    before = proc.resident(pid)
    return status_bytes(pid, "VmHWM") - before < 512 * 1024
  end, 10, "memory that stays the same")
  fn()
  return math.max(status_bytes(pid, "VmHWM") - before, 0)
end

-- CPU seconds of all its threads so far; in steps of 10 ms.
function proc.cpu_seconds(pid)
  local utime, stime = read(pid, "stat"):match("^.*%) %S+ " .. ("%S+ "):rep(10) .. "(%d+) (%d+)")
  return (tonumber(utime) + tonumber(stime)) / 100
end

return proc
