-- Child processes for specs, over LuaJIT's ffi: spawn with output to files, signals, waiting with a deadline. Every child is known, so that
-- none outlives the specs; should the specs themselves be killed, the kernel kills their children.
local ffi = require "ffi"
local socket = require "socket"

ffi.cdef [[
typedef int pid_t;
typedef struct { int allocated, used; void *actions; int pad[16]; } spawn_actions;
typedef struct { long bits[64]; } spawn_attributes;
typedef struct { unsigned long bits[16]; } signal_set;
int sigemptyset(signal_set *);
int sigfillset(signal_set *);
int posix_spawnattr_init(spawn_attributes *);
int posix_spawnattr_destroy(spawn_attributes *);
int posix_spawnattr_setflags(spawn_attributes *, short);
int posix_spawnattr_setsigdefault(spawn_attributes *, const signal_set *);
int posix_spawnattr_setsigmask(spawn_attributes *, const signal_set *);
int posix_spawn_file_actions_init(spawn_actions *);
int posix_spawn_file_actions_destroy(spawn_actions *);
int posix_spawn_file_actions_addopen(spawn_actions *, int, const char *, int, unsigned);
int posix_spawn_file_actions_adddup2(spawn_actions *, int, int);
int posix_spawnp(pid_t *, const char *, const spawn_actions *, const spawn_attributes *, char *const *, char *const *);
pid_t waitpid(pid_t, int *, int);
int kill(pid_t, int);
extern char **environ;
char *mkdtemp(char *);
]]

local O_WRONLY_CREAT_APPEND, O_RDONLY, WNOHANG = 1 + 64 + 1024, 0, 1
local SETSIGDEF, SETSIGMASK = 4, 8
local signals = { HUP = 1, INT = 2, KILL = 9, TERM = 15, STOP = 19, CONT = 18, USR1 = 10 }

local process = {}
process.__index = process

local alive = {}

local function cstrings(list)
  local array = ffi.new("char *[?]", #list + 1)
  local anchors = {}
  for i, s in ipairs(list) do
    anchors[i] = ffi.new("char[?]", #s + 1, s)
    array[i - 1] = anchors[i]
  end
  array[#list] = nil
  return array, anchors
end

local function environment(extra)
  local list = {}
  local i = 0
  while ffi.C.environ[i] ~= nil do
    local entry = ffi.string(ffi.C.environ[i])
    if not (extra and extra[entry:match("^[^=]*")]) then list[#list + 1] = entry end
    i = i + 1
  end
  for name, value in pairs(extra or {}) do list[#list + 1] = name .. "=" .. value end
  return list
end

-- Signals as a login shell leaves them. LuaSocket ignores SIGPIPE, and a child that inherited that would hide that it does not itself.
local function plain_signals()
  local attributes, set = ffi.new("spawn_attributes"), ffi.new("signal_set")
  ffi.C.posix_spawnattr_init(attributes)
  ffi.C.posix_spawnattr_setflags(attributes, SETSIGDEF + SETSIGMASK)
  ffi.C.sigfillset(set)
  ffi.C.posix_spawnattr_setsigdefault(attributes, set)
  ffi.C.sigemptyset(set)
  ffi.C.posix_spawnattr_setsigmask(attributes, set)
  return attributes
end

-- Starts argv[1] with its output appended to the files `stdout` and `stderr`, and `env` added to the environment. A program that cannot be
-- executed ends with 127 and says so on its standard error.
function process.spawn(argv, stdout, stderr, env)
  local actions, attributes = ffi.new("spawn_actions"), plain_signals()
  ffi.C.posix_spawn_file_actions_init(actions)
  ffi.C.posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0)
  ffi.C.posix_spawn_file_actions_addopen(actions, 1, stdout, O_WRONLY_CREAT_APPEND, 420)
  ffi.C.posix_spawn_file_actions_addopen(actions, 2, stderr, O_WRONLY_CREAT_APPEND, 420)
  local command = { "setpriv", "--pdeathsig", "KILL", "--" }
  for _, arg in ipairs(argv) do command[#command + 1] = arg end
  local args, args_anchor = cstrings(command)
  local vars, vars_anchor = cstrings(environment(env))
  local pid = ffi.new("pid_t[1]")
  local code = ffi.C.posix_spawnp(pid, command[1], actions, attributes, args, vars)
  ffi.C.posix_spawn_file_actions_destroy(actions)
  ffi.C.posix_spawnattr_destroy(attributes)
  assert(args_anchor and vars_anchor)
  assert(code == 0, ("cannot start %s: error %d"):format(command[1], code))
  local self = setmetatable({ pid = pid[0] }, process)
  alive[self] = true
  return self
end

-- nil while it runs; else its exit code, or minus the signal that ended it.
function process:poll()
  if self.status then return self.status end
  local raw = ffi.new("int[1]")
  if ffi.C.waitpid(self.pid, raw, WNOHANG) ~= self.pid then return nil end
  local low = raw[0] % 128
  self.status = low == 0 and math.floor(raw[0] / 256) % 256 or -low
  alive[self] = nil
  return self.status
end

function process:signal(name)
  if not self:poll() then ffi.C.kill(self.pid, signals[name]) end
end

-- Waits for the end; past the deadline the process is killed and that is an error.
function process:wait(seconds)
  local deadline = socket.gettime() + seconds
  while not self:poll() do
    if socket.gettime() > deadline then
      self:signal("KILL")
      while not self:poll() do socket.sleep(0.005) end
      error(("process %d did not end within %g s"):format(self.pid, seconds), 2)
    end
    socket.sleep(0.002)
  end
  return self.status
end

function process.kill_all()
  for p in pairs(alive) do
    ffi.C.kill(p.pid, signals.KILL)
    while not p:poll() do socket.sleep(0.002) end
  end
end

function process.temporary_dir()
  local template = (os.getenv("TMPDIR") or "/tmp") .. "/moongate-spec-XXXXXX"
  local bytes = ffi.new("char[?]", #template + 1, template)
  assert(ffi.C.mkdtemp(bytes) ~= nil, "no temporary directory can be made")
  return ffi.string(bytes)
end

return process
