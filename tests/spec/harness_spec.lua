-- The reader that the other specs trust.
local exposition = require "tests.spec.support.exposition"
local moongate = require "tests.spec.support.moongate"

describe("the exposition reader", function()
  it("reads names, labels with escapes, and odd numbers", function()
    local m = exposition.parse('# TYPE a counter\na{x="1",y="q\\"\\\\\\n"} 2\na 3\nb NaN\nc{x="1"} +Inf\nd{x="}, {",y=","} 4\n')
    assert.equal("counter", m.types.a)
    assert.equal(2, m:get("a", { x = "1", y = 'q"\\\n' }))
    assert.equal(3, m:get("a"))
    assert.equal(math.huge, m:get("c", { x = "1" }))
    assert.equal(4, m:get("d", { x = "}, {", y = "," }))
    local nan = m:get("b")
    assert.is_true(nan ~= nan)
    assert.is_nil(m:get("a", { x = "2" }))
  end)

  it("raises on what a scraper would refuse", function()
    for _, text in ipairs {
      "a", "a 1", "a{x=1} 1\n", 'a{x="1} 1\n', "a x\n", "a 1\na 1\n",
      'a{x="1",x="2"} 1\n', 'a{x="1"y="2"} 1\n', 'a{x="\\t"} 1\n', "{} 1\n",
    } do
      assert.has_error(function() exposition.parse(text) end)
    end
  end)
end)

describe("the writer of configurations", function()
  it("writes Lua that reads back the same", function()
    local value = { a = 1, b = "x\n\"", c = { true, false, { d = 2.5 } } }
    assert.same(value, loadstring("return " .. moongate.lua_literal(value))())
  end)
end)

describe("a child process", function()
  local process = moongate.process
  local dir

  before_each(function() dir = process.temporary_dir() end)
  after_each(function() os.execute("rm -rf " .. dir) end)

  local function sh(script)
    return process.spawn({ "sh", "-c", script }, dir .. "/out", dir .. "/err", { MOONGATE_SPEC = "seen" })
  end

  it("has its output in files, the environment, and an exit code", function()
    local p = sh("echo out $MOONGATE_SPEC; echo err >&2; exit 3")
    assert.equal(3, p:wait(10))
    assert.equal("out seen\n", moongate.read_file(dir .. "/out"))
    assert.equal("err\n", moongate.read_file(dir .. "/err"))
  end)

  it("ends by signals, with minus the signal", function()
    local p = sh("exec sleep 60")
    assert.is_nil(p:poll())
    p:signal("KILL")
    assert.equal(-9, p:wait(10))
  end)

  it("does not inherit that SIGPIPE is ignored", function()
    assert.equal(0, sh("grep SigIgn: /proc/self/status"):wait(10))
    -- The lowest 16 signals: the C library keeps some of the higher ones for itself.
    assert.equal("0000", moongate.read_file(dir .. "/out"):match("SigIgn:%s*%x*(%x%x%x%x)\n"))
  end)

  it("that hangs is killed at the deadline, and that is an error", function()
    local p = sh("exec sleep 60")
    assert.has_error(function() p:wait(0.05) end)
    assert.equal(-9, p.status)
  end)

  it("that is not there ends with 127", function()
    local p = process.spawn({ dir .. "/nothing" }, dir .. "/out", dir .. "/err")
    assert.equal(127, p:wait(10))
    assert.match("nothing", moongate.read_file(dir .. "/err"))
  end)
end)
