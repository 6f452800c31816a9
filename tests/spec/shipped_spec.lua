-- The shipped scripts: every metric of the README's table, with the figures that the events give.
local moongate = require "tests.spec.support.moongate"
local json = require "cjson"

local function shipped_scripts()
  local scripts = {}
  local pipe = io.popen("ls scripts/metrics")
  for name in pipe:lines() do scripts["metrics/" .. name] = moongate.read_file("scripts/metrics/" .. name) end
  pipe:close()
  return scripts
end

describe("the shipped scripts", function()
  local server, m

  local function near(wanted, got, what)
    assert.is_number(got, what)
    assert.is_true(math.abs(wanted - got) <= 1e-9 + 0.011 * math.abs(wanted), ("%s: %g, wanted %g"):format(what, got, wanted))
  end

  setup(function()
    server = moongate.start { scripts = shipped_scripts(), conf_files = { ["prices.lua"] = moongate.read_file("conf/prices.lua") } }
    local t = os.time()
    local events = {
      { type = "agent.start", agent_id = "a1", template_id = "support", user_id = "ann", time = t - 30 },
      { type = "agent.start", agent_id = "a2", template_id = "coder", user_id = "bob", time = t - 20 },
      { type = "model.call", agent_id = "a1", template_id = "support", user_id = "ann", model = "gpt-4o-mini", input_tokens = 12000,
        output_tokens = 800, duration_ms = 930, status = "success", time = t - 10 },
      { type = "model.call", agent_id = "a1", template_id = "support", user_id = "ann", model = "gpt-4o-2024-08-06", input_tokens = 1000,
        output_tokens = 100, cached_input_tokens = 400, duration_ms = 2000, status = "success", time = t - 10 },
      { type = "model.call", agent_id = "a2", template_id = "support", user_id = "bob", model = "claude-sonnet-4-5", input_tokens = 1000,
        output_tokens = 100, cached_input_tokens = 200, cache_write_tokens = 300, duration_ms = 3000, status = "failed",
        error_type = "overloaded", time = t - 10 },
      { type = "model.call", agent_id = "a2", template_id = "coder", user_id = "bob", model = "who-knows", input_tokens = 10, output_tokens = 5,
        duration_ms = 100, status = "failed", time = t - 10 },
      { type = "tool.call", agent_id = "a1", user_id = "ann", tool_name = "search", status = "success", duration_ms = 40 },
      { type = "tool.call", agent_id = "a1", user_id = "ann", tool_name = "search", status = "failed", duration_ms = 700 },
      { type = "agent.error", agent_id = "a1", error_type = "gave_up", message = "m" },
      { type = "pool.status", size = 7, max_size = 20, queue_length = 3, memory_bytes = 1048576 },
      { type = "user.active", user_id = "zoe" },
      { type = "agent.stop", agent_id = "a1", template_id = "support", user_id = "ann", time = t - 5 },
    }
    local lines = {}
    for i, ev in ipairs(events) do lines[i] = json.encode(ev) end
    local reply = server:request { method = "POST", path = "/v1/events", body = table.concat(lines, "\n") }
    assert.equal(200, reply.status)
    assert.equal(#events, json.decode(reply.body).accepted)
    m = server:metrics()
  end)
  teardown(function() server:stop() end)

  it("run without an error", function()
    for _, s in ipairs(m:all("moongate_script_errors_total")) do assert.equal(0, s.value, s.labels.script) end
  end)

  it("count agents and their pool", function()
    assert.equal(2, m:get("agent_created_total"))
    assert.equal(1, m:get("agent_active_count"))
    assert.equal(7, m:get("agent_pool_size"))
    assert.equal(20, m:get("agent_pool_max_size"))
    assert.equal(3, m:get("agent_queue_length"))
    assert.equal(1048576, m:get("agent_memory_usage_bytes"))
  end)

  it("time requests from start to stop", function()
    assert.equal(1, m:get("agent_request_duration_seconds_count"))
    assert.equal(25, m:get("agent_request_duration_seconds_sum"))
    for _, q in ipairs { "0.5", "0.9", "0.95", "0.99" } do
      near(25, m:get("agent_request_duration_seconds", { quantile = q }), "quantile " .. q)
    end
  end)

  it("count tool calls and their latency", function()
    assert.equal(1, m:get("agent_tool_calls_total", { tool_name = "search", status = "success" }))
    assert.equal(1, m:get("agent_tool_calls_total", { tool_name = "search", status = "failed" }))
    assert.equal(2, m:get("agent_tool_call_latency_seconds_count", { tool_name = "search" }))
    near(0.74, m:get("agent_tool_call_latency_seconds_sum", { tool_name = "search" }), "sum")
  end)

  it("count errors by type, with a default for calls that name none", function()
    assert.equal(1, m:get("agent_errors_total", { error_type = "gave_up", agent_id = "a1" }))
    assert.equal(1, m:get("agent_errors_total", { error_type = "overloaded", agent_id = "a2" }))
    assert.equal(1, m:get("agent_errors_total", { error_type = "model_call", agent_id = "a2" }))
    assert.equal(1, m:get("agent_errors_total", { error_type = "tool_call", agent_id = "a1" }))
  end)

  it("observe latencies and tokens in the documented buckets", function()
    local chat = { agent_id = "a1", template_id = "support" }
    assert.equal(2, m:get("agent_chat_latency_seconds_count", chat))
    for le, wanted in pairs { ["0.1"] = 0, ["0.5"] = 0, ["1"] = 1, ["2"] = 2, ["5"] = 2, ["10"] = 2, ["30"] = 2, ["+Inf"] = 2 } do
      assert.equal(wanted, m:get("agent_chat_latency_seconds_bucket", { agent_id = "a1", template_id = "support", le = le }), le)
    end
    for le, wanted in pairs { ["100"] = 1, ["500"] = 1, ["1000"] = 3, ["5000"] = 3, ["10000"] = 3, ["50000"] = 4, ["+Inf"] = 4 } do
      assert.equal(wanted, m:get("agent_token_usage_bucket", { type = "input", le = le }), le)
    end
    assert.equal(1005, m:get("agent_token_usage_sum", { type = "output" }))
  end)

  it("price calls by model, user and kind of token", function()
    near(12000 * 0.15e-6 + 800 * 0.6e-6, m:get("agent_cost_usd_total", { user_id = "ann", model = "gpt-4o-mini" }), "mini")
    near(600 * 2.5e-6 + 400 * 1.25e-6 + 100 * 10e-6, m:get("agent_cost_usd_total", { user_id = "ann", model = "gpt-4o-2024-08-06" }), "4o")
    near(500 * 3e-6 + 200 * 0.3e-6 + 300 * 3.75e-6 + 100 * 15e-6,
      m:get("agent_cost_usd_total", { user_id = "bob", model = "claude-sonnet-4-5" }), "sonnet")
    assert.equal(15, m:get("agent_unpriced_tokens_total", { model = "who-knows" }))
    local sum = 0
    for _, s in ipairs(m:all("agent_cost_usd_total")) do sum = sum + s.value end
    local daily = m:get("agent_daily_cost_usd")
    assert.is_true(math.abs(daily - sum) < 1e-12 or daily == 0, "spent today") -- 0: the calls were before midnight, the answer after it
  end)

  it("rate success and response over five minutes", function()
    near(2 / 3, m:get("agent_success_rate", { template_id = "support" }), "success")
    assert.equal(0, m:get("agent_success_rate", { template_id = "coder" }))
    near((0.93 + 2 + 3) / 3, m:get("agent_avg_response_seconds", { template_id = "support" }), "response")
  end)

  it("count users by day, month and presence", function()
    assert.is_true(m:get("agent_daily_active_users") >= 1 and m:get("agent_daily_active_users") <= 3)
    assert.is_true(m:get("agent_monthly_active_users") >= 1 and m:get("agent_monthly_active_users") <= 3)
    assert.equal(3, m:get("agent_concurrent_users"))
  end)

  it("pass promtool but for the _count that the issue names", function()
    local text = server:request { path = "/metrics" }.body
    local output = moongate.sh("promtool check metrics", text)
    for line in output:gmatch("[^\n]+") do assert.match("agent_active_count", line) end
  end)

  it("come to the same values after kill -9", function()
    server:kill9()
    server:restart()
    local again = server:metrics()
    for _, s in ipairs(m.list) do
      if s.name:match("^agent_") and s.value == s.value then assert.equal(s.value, again:get(s.name, s.labels), s.name) end
    end
  end)
end)
