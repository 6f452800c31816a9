-- Rule files of Prometheus, run by the real binary: alerts and recorded series, as promtool, Grafana and Prometheus's API see them.
local moongate = require "tests.spec.support.moongate"
local remote_write = require "tests.spec.support.remote_write"
local json = require "cjson"
local socket = require "socket"

local RULES = [[
groups:
- name: agents
  interval: 1s
  rules:
  - record: job:queue:sum
    expr: sum by (job) (queue)
    labels: {team: search}
  - alert: QueueIsLong
    expr: job:queue:sum > 10
    labels: {severity: warning}
    annotations:
      summary: '{{ $labels.job }} has {{ $value | humanize }} in {{ $externalLabels.region }}, see {{ externalURL }}'
  - alert: NeverFires
    expr: queue > 1e9
    for: 5m
  - alert: Broken
    expr: queue * on () group_left () queue
]]

describe("rules", function()
  local server

  after_each(function()
    if server then server:stop() end
    server = nil
  end)

  -- The files stand in the server's own directory, which is known once it is made.
  local function prepare(rules)
    server = moongate.prepare {
      scripts = {},
      conf = { rules = { files = { "@/rules/*.yml" }, external_labels = { region = "eu" }, external_url = "http://gate.example/" } },
    }
    local conf = server.dir .. "/conf/moongate.lua"
    moongate.write_file(conf, (moongate.read_file(conf):gsub("@", server.dir)))
    os.execute("mkdir -p " .. server.dir .. "/rules")
    moongate.write_file(server.dir .. "/rules/agents.yml", rules)
  end

  local function start()
    prepare(RULES)
    server:launch()
  end

  local function push(value)
    local t = math.floor(socket.gettime() * 1000)
    local list = {}
    for i, job in ipairs { "a", "b" } do
      list[i] = { labels = { { "__name__", "queue" }, { "job", job } }, samples = { { i == 1 and value or 1, t } } }
    end
    assert.equal(204, server:request(remote_write.request(remote_write.message_1(list), 1)).status)
  end

  local function get(path)
    local reply = server:request { path = path }
    assert.equal(200, reply.status, reply.body)
    local body = json.decode(reply.body)
    assert.equal("success", body.status)
    return body.data
  end

  local function rule(name)
    local data = get("/api/v1/rules?rule_name[]=" .. name)
    return data.groups[1] and data.groups[1].rules[1]
  end

  local function query(expr)
    return get("/api/v1/query?query=" .. expr).result
  end

  -- Pushes until `fn` gives something.
  local function wait(value, fn, what)
    return moongate.wait_until(function()
      push(value)
      return fn()
    end, 20, what)
  end

  it("records series, which the next rule reads, and fires alerts that say what they found", function()
    start()
    local alert = wait(25, function()
      local alerts = get("/api/v1/alerts").alerts
      return #alerts > 0 and alerts[1]
    end, "an alert")
    assert.same({ alertname = "QueueIsLong", job = "a", severity = "warning", team = "search" }, alert.labels)
    assert.equal("a has 25 in eu, see http://gate.example", alert.annotations.summary)
    assert.equal("firing", alert.state)
    assert.equal("2.5e+01", alert.value)
    assert.is_truthy(alert.activeAt:match("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d"))

    local recorded = query("job:queue:sum")
    assert.equal(2, #recorded)
    assert.equal("search", recorded[1].metric.team)
    assert.equal(1, #query("ALERTS%7Balertname=%22QueueIsLong%22,alertstate=%22firing%22%7D"))

    local group = get("/api/v1/rules").groups[1]
    assert.equal("agents", group.name)
    assert.equal(server.dir .. "/rules/agents.yml", group.file)
    assert.equal(1, group.interval)
    assert.equal(4, #group.rules)
    assert.equal("recording", group.rules[1].type)
    assert.equal("ok", group.rules[1].health)
    assert.equal("sum by (job) (queue)", group.rules[1].query)
    assert.equal("firing", group.rules[2].state)
    assert.equal("{{ $labels.job }} has {{ $value | humanize }} in {{ $externalLabels.region }}, see {{ externalURL }}",
      group.rules[2].annotations.summary)
    assert.equal(1, #group.rules[2].alerts)
    assert.equal("inactive", group.rules[3].state)
    assert.equal(300, group.rules[3].duration)
    assert.equal("err", group.rules[4].health)
    assert.is_truthy(group.rules[4].lastError:find("many-to-many", 1, true))
    assert.is_truthy(server:log_find(function(line) return line.msg == "a rule failed" and line.rule == "Broken" end))

    -- It is resolved when it is not found any more, and its series end.
    wait(1, function() return #get("/api/v1/alerts").alerts == 0 end, "the end of the alert")
    assert.equal("inactive", rule("QueueIsLong").state)
    assert.same({}, query("ALERTS"))
  end)

  it("lists what is asked for", function()
    start()
    assert.equal(3, #get("/api/v1/rules?type=alert").groups[1].rules)
    assert.equal(1, #get("/api/v1/rules?type=record").groups[1].rules)
    assert.same({}, get("/api/v1/rules?rule_group[]=other").groups)
    assert.equal(1, #get("/api/v1/rules?file[]=" .. server.dir .. "/rules/agents.yml").groups)
    assert.equal("NeverFires", rule("NeverFires").name)
    assert.equal(400, server:request { path = "/api/v1/rules?type=x" }.status)
    local metrics = server:metrics()
    assert.equal(1, metrics:get("moongate_rule_groups"))
    assert.equal(4, metrics:get("moongate_rules"))
    wait(1, function() return server:metrics():get("moongate_rule_evaluation_failures_total") > 0 end, "a failure")
  end)

  it("refuses to start with a file that is wrong, and names its line", function()
    prepare "groups:\n- name: a\n  rules:\n  - alert: x\n    expr: up +\n"
    assert.has_error(function() server:launch() end)
    local said, code = moongate.sh(moongate.binary .. " check --conf " .. server.dir .. "/conf/moongate.lua")
    assert.equal(1, code)
    assert.is_truthy(said:find("rules/agents.yml:5: could not parse", 1, true), said)
    assert.is_truthy(server:stderr():find("rules/agents.yml:5: could not parse expression: 1:5: parse error: unexpected end of input", 1, true),
      server:stderr())
  end)

  it("reloads all or nothing, and alerts go on", function()
    start()
    wait(25, function() return #get("/api/v1/alerts").alerts > 0 end, "an alert")
    local since = get("/api/v1/alerts").alerts[1].activeAt
    moongate.write_file(server.dir .. "/rules/agents.yml", RULES .. "  - alert: Wrong\n    expr: (\n")
    local reply = server:reload()
    assert.equal(422, reply.status)
    assert.is_truthy(reply.body:find("rules/agents.yml:19: could not parse expression", 1, true), reply.body)
    assert.is_nil(rule("Wrong"))

    local changed = RULES:gsub("job:queue:sum > 10", "job:queue:sum > 20")
    moongate.write_file(server.dir .. "/rules/agents.yml", changed .. "  - alert: New\n    expr: vector(1)\n")
    assert.equal(200, server:reload().status)
    assert.equal("New", rule("New").name)
    wait(25, function() return rule("New").state == "firing" end, "the new alert")
    for _, alert in ipairs(get("/api/v1/alerts").alerts) do
      if alert.labels.alertname == "QueueIsLong" then assert.equal(since, alert.activeAt) end
    end

    moongate.write_file(server.dir .. "/rules/agents.yml", "groups: []\n")
    assert.equal(200, server:reload().status)
    assert.same({}, get("/api/v1/rules").groups)
    assert.same({}, query("ALERTS"))
  end)

  it("goes on with alerts behind a kill", function()
    start()
    wait(25, function() return #get("/api/v1/alerts").alerts > 0 end, "an alert")
    local since = get("/api/v1/alerts").alerts[1].activeAt
    push(25)
    server:kill9()
    server:restart()
    local alert = wait(25, function() return get("/api/v1/alerts").alerts[1] end, "the alert again")
    assert.equal(since:sub(1, 19), alert.activeAt:sub(1, 19)) -- kept to the second
    assert.equal("firing", alert.state)
  end)
end)
