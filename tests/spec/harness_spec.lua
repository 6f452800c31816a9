-- The reader that the other specs trust.
local exposition = require "tests.spec.support.exposition"
local moongate = require "tests.spec.support.moongate"

describe("the exposition reader", function()
  it("reads names, labels with escapes, and odd numbers", function()
    local m = exposition.parse('# TYPE a counter\na{x="1",y="q\\"\\\\\\n"} 2\na 3\nb NaN\nc{x="1"} +Inf\n')
    assert.equal("counter", m.types.a)
    assert.equal(2, m:get("a", { x = "1", y = 'q"\\\n' }))
    assert.equal(3, m:get("a"))
    assert.equal(math.huge, m:get("c", { x = "1" }))
    local nan = m:get("b")
    assert.is_true(nan ~= nan)
    assert.is_nil(m:get("a", { x = "2" }))
  end)

  it("raises on what a scraper would refuse", function()
    for _, text in ipairs { "a", "a 1", "a{x=1} 1\n", 'a{x="1} 1\n', "a x\n", "a 1\na 1\n", 'a{x="1",x="2"} 1\n' } do
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
