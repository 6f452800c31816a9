-- conf/prices.lua by itself: it is plain Lua.
describe("price.of", function()
  local price = dofile("conf/prices.lua")
  local time = 1767355445 -- 2026-01-02

  local function of(ev)
    ev.time = ev.time or time
    return price.of(ev)
  end

  it("knows the models that agents are said to use, with and without a date", function()
    for _, model in ipairs {
      "gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20", "gpt-4o-mini", "gpt-4o-mini-2024-07-18", "gpt-4.1", "gpt-4.1-2025-04-14",
      "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "claude-haiku-4-5", "claude-haiku-4-5-20251001", "claude-haiku-4-5@20251001",
      "claude-sonnet-4-5-latest",
    } do
      assert.is_true((of { model = model, input_tokens = 1000, output_tokens = 10 } or 0) > 0, model)
    end
    for _, model in ipairs { "mock-large", "mock-large-2026", "claude-mock", "claude-fail", "text-embedding-mock" } do
      assert.equal(0, of { model = model, input_tokens = 1000, output_tokens = 10 }, model)
    end
  end)

  it("takes the family's name, not the beginning of another's", function()
    assert.equal(15e-6, of { model = "claude-sonnet-4-5-20250929", output_tokens = 1 })
    assert.equal(0.6e-6, of { model = "gpt-4o-mini-2024-07-18", output_tokens = 1 })
    assert.equal(15e-6, of { model = "gpt-4o-2024-05-13", output_tokens = 1 })
    assert.is_nil(of { model = "gpt-4o-audio", output_tokens = 1 })
    assert.is_nil(of { model = "gpt-4o-2024", time = 0, output_tokens = 1 })
  end)

  it("takes the prices of the event's time, whatever the order of events", function()
    local before, after = 1727740800, 1727827200 -- the first and the second of October 2024
    for _ = 1, 2 do
      assert.equal(15e-6, of { model = "gpt-4o", time = before, output_tokens = 1 })
      assert.equal(10e-6, of { model = "gpt-4o", time = after, output_tokens = 1 })
      assert.equal(15e-6, of { model = "gpt-4o", time = after - 0.001, output_tokens = 1 })
    end
    assert.is_nil(of { model = "gpt-4o", time = 1700000000, output_tokens = 1 })
  end)

  it("prices each kind of token", function()
    local usd = of { model = "claude-sonnet-4-5", input_tokens = 1000, cached_input_tokens = 200, cache_write_tokens = 300,
      output_tokens = 100, reasoning_tokens = 40 }
    assert.near((500 * 3 + 200 * 0.3 + 300 * 3.75 + 100 * 15) / 1e6, usd, 1e-15)
    assert.near((900 * 5 + 100 * 5) / 1e6,
      of { model = "gpt-4o-2024-05-13", input_tokens = 1000, cached_input_tokens = 100, output_tokens = 0 }, 1e-15)
    assert.equal(0, of { model = "gpt-4o" })
  end)

  it("has none for what is no model's name", function()
    for _, model in ipairs { 5, true, "", "who-knows", ("x"):rep(5000) } do
      assert.is_nil(of { model = model, output_tokens = 1 }, tostring(model):sub(1, 20))
      assert.is_nil(of { model = model, output_tokens = 1 }, tostring(model):sub(1, 20))
    end
    assert.is_nil(of { model = false, output_tokens = 1 })
    assert.is_nil(of { output_tokens = 1 })
  end)
end)
