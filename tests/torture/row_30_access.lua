-- Who may do what: every route with every kind of credentials, against the table that says so; configurations that are refused; how tokens
-- are compared; pages of other origins.
package.path = "./?.lua;" .. package.path
local json = require "cjson"
local moongate = require "tests.spec.support.moongate"
local row = require "tests.torture.support.row"

-- Every route of core/api/api.c: method, path, the scope that it needs (false: none), what it answers to who may use it, a body.
local routes = {
  { "POST", "/v1/events", "ingest", 200, '{"type":"x"}' },
  { "POST", "/api/v1/write", "ingest", 204, "" },
  { "POST", "/api/v1/import/prometheus", "ingest", 204, "x 1" },
  { "PUT", "/api/v1/import/prometheus", "ingest", 204, "x 1" },
  { "GET", "/metrics", "query", 200 },
  { "HEAD", "/metrics", "query", 200 },
  { "GET", "/api/v1/targets", "query", 200 },
  { "GET", "/api/v1/query?query=1", "query", 200 },
  { "POST", "/api/v1/query?query=1", "query", 200, "" },
  { "GET", "/api/v1/query_range?query=1&start=0&end=1&step=1", "query", 200 },
  { "GET", "/api/v1/labels", "query", 200 },
  { "GET", "/api/v1/export?match[]=up", "query", 200 },
  { "GET", "/api/v1/status/config", "query", 200 },
  { "GET", "/federate", "query", 200 },
  { "POST", "/-/reload", "admin", 200, "" },
  { "PUT", "/-/reload", "admin", 200, "" },
  { "GET", "/health", false, 200 },
  { "GET", "/ready", false, 200 },
  { "GET", "/-/ready", false, 200 },
  { "GET", "/-/healthy", false, 200 },
  { "HEAD", "/-/healthy", false, 200 },
}
-- Without a route nobody is asked who he is: method, path, status.
local nowhere = {
  { "GET", "/", 404 }, { "GET", "/metrics/", 404 }, { "GET", "/Metrics", 404 }, { "GET", "/v1", 404 }, { "GET", "/-/reload/x", 404 },
  { "GET", "/metricsx", 404 },
  { "GET", "/v1/events", 405 }, { "PUT", "/v1/events", 405 }, { "DELETE", "/v1/events", 405 }, { "POST", "/metrics", 405 },
  { "GET", "/-/reload", 405 },
  { "GET", "/api/v1/write", 405 }, { "PUT", "/api/v1/write", 405 }, { "GET", "/api/v1/import/prometheus", 405 }, { "GET", "/api/v1/import", 404 },
  { "GET", "/-/reload", 405 }, { "POST", "/api/v1/targets", 405 },
  { "DELETE", "/-/reload", 405 }, { "POST", "/health", 405 }, { "OPTIONS", "/metrics", 204 }, { "OPTIONS", "/-/reload", 204 },
}

local texts = { ingest = "ingest-token", query = "query-token", admin = "admin-token", all = "all-token", both = "ingest-query-token" }
local scopes = { ingest = { "ingest" }, query = { "query" }, admin = { "admin" }, all = { "ingest", "query", "admin" }, both = { "ingest", "query" } }

local function sha256(text)
  return (moongate.sh("sha256sum", text):match("^%x+"))
end

local function tokens()
  local list = {}
  for name, text in pairs(texts) do list[#list + 1] = { sha256 = sha256(text), scopes = scopes[name] } end
  return list
end

-- Name, Authorization, the scopes that it gives; false: it is none.
local function credentials()
  local list = { { "no header", nil, false } }
  local function add(name, value, given) list[#list + 1] = { name, value, given } end
  for name, text in pairs(texts) do
    add(name, "Bearer " .. text, scopes[name])
    add(name .. ", scheme in small letters", "bearer " .. text, scopes[name])
    add(name .. ", spaces around", "  BEARER   " .. text .. "  ", scopes[name])
    add(name .. ", one byte less", "Bearer " .. text:sub(1, -2), false)
    add(name .. ", one byte more", "Bearer " .. text .. "x", false)
    add(name .. ", last byte another", "Bearer " .. text:sub(1, -2) .. "m", false)
    add(name .. ", first byte another", "Bearer x" .. text:sub(2), false)
    add(name .. ", in capitals", "Bearer " .. text:upper(), false)
    add(name .. ", its digest", "Bearer " .. sha256(text), false)
    add(name .. ", twice", "Bearer " .. text .. " " .. text, false)
    add(name .. ", with a parameter", "Bearer " .. text .. ",x=1", false)
    add(name .. ", in quotes", 'Bearer "' .. text .. '"', false)
    add(name .. ", no scheme", text, false)
    add(name .. ", another scheme", "Token " .. text, false)
    add(name .. ", no space", "Bearer" .. text, false)
    add(name .. ", a tab", "Bearer\t" .. text, false)
    add(name .. ", Basic", "Basic " .. (moongate.sh("base64 -w0", ":" .. text)), false)
  end
  for name, value in pairs { ["an empty header"] = "", ["the scheme alone"] = "Bearer", ["no token"] = "Bearer ",
    ["a long token"] = "Bearer " .. ("a"):rep(8000),
    ["the empty token's digest"] = "Bearer " .. sha256(""), ["half a scheme"] = "Bear" } do
    add(name, value, false)
  end
  return list
end

local function has(list, wanted)
  for _, scope in ipairs(list or {}) do
    if scope == wanted then return true end
  end
  return false
end

local function ask(server, route, headers)
  return server:request { method = route[1], path = route[2], body = route[5], headers = headers }
end

local function expect(reply, status, format, ...)
  if reply.status ~= status then error(("%s: %d, wanted %d"):format(format:format(...), reply.status, status), 2) end
end

local function with_tokens()
  local server = moongate.start { conf = { tokens = tokens() } }
  local count = 0
  for _, credential in ipairs(credentials()) do
    local name, value, given = credential[1], credential[2], credential[3]
    local headers = value and { Authorization = value } or {}
    for _, route in ipairs(routes) do
      local wanted = route[4]
      if route[3] and not given then wanted = 401 end
      if route[3] and given and not has(given, route[3]) then wanted = 403 end
      local reply = ask(server, route, headers)
      expect(reply, wanted, "%s %s with %s", route[1], route[2], name)
      assert((reply.headers["www-authenticate"] == "Bearer") == (wanted == 401), name .. ": WWW-Authenticate")
      assert(wanted == route[4] or route[1] == "HEAD" or json.decode(reply.body).error.code, name)
      assert(not value or #value < 20 or not reply.body:find(value, 1, true), name .. " comes back in the answer")
      count = count + 1
    end
    for _, route in ipairs(nowhere) do
      expect(ask(server, route, headers), route[3], "%s %s with %s", route[1], route[2], name)
      count = count + 1
    end
  end
  -- Two headers are no credentials, whichever is the good one.
  for _, pair in ipairs { { "all-token", "wrong" }, { "wrong", "all-token" }, { "all-token", "all-token" } } do
    local lines = ("Authorization: Bearer %s\r\nAuthorization: Bearer %s\r\n"):format(pair[1], pair[2])
    local text = server:raw("GET /metrics HTTP/1.1\r\nHost: x\r\n" .. lines .. "\r\n")
    assert(text:find("^HTTP/1.1 400 "), text)
    count = count + 1
  end
  -- Neither in the query nor in a cookie.
  local elsewhere = { path = "/metrics?access_token=all-token&token=all-token", headers = { Cookie = "token=all-token" } }
  expect(server:request(elsewhere), 401, "a token elsewhere")
  assert(server:stop() == 0)
  return count + 1
end

local function without_tokens()
  local server = moongate.start {}
  local count = 0
  for _, value in ipairs { "", "Bearer wrong", "Basic eDp5", "nonsense" } do
    for _, route in ipairs(routes) do
      expect(ask(server, route, value ~= "" and { Authorization = value } or nil), route[4], "tokens off: %s %s with %s", route[1], route[2], value)
      count = count + 1
    end
  end
  assert(server:stop() == 0)
  return count
end

-- A page of another origin may ask to see nothing, and change nothing; with or without tokens.
local function origins()
  local count = 0
  for _, conf in ipairs { {}, { tokens = tokens() } } do
    local server = moongate.start { conf = conf }
    local host = server.addr
    local foreign = { "http://evil.example", "https://evil.example", "null", "", "http://" .. host .. ".evil.example",
      "http://evil.example/" .. host, "http://" .. host .. "@evil.example", "http://" .. host .. ":80", host, "//" .. host, "ftp://" .. host,
      "http://" .. host:gsub(":%d+$", ""), "http://" .. host .. " http://evil.example", "http://" .. host .. "/" }
    for _, route in ipairs(routes) do
      local headers = { Authorization = "Bearer all-token", Host = host }
      local changes = route[1] == "POST" or route[1] == "PUT"
      for _, origin in ipairs(foreign) do
        headers.Origin = origin
        expect(ask(server, route, headers), changes and 403 or route[4], "%s %s from %q", route[1], route[2], origin)
        count = count + 1
      end
      for _, origin in ipairs { "http://" .. host, "https://" .. host, "HTTP://" .. host } do
        headers.Origin = origin
        expect(ask(server, route, headers), route[4], "%s %s from %q", route[1], route[2], origin)
        count = count + 1
      end
    end
    local lines = "Origin: http://evil.example\r\nAuthorization: Bearer all-token\r\nConnection: close\r\n"
    local text = server:raw("GET /metrics HTTP/1.1\r\nHost: x\r\n" .. lines .. "\r\n")
    assert(text:find("^HTTP/1.1 200 ") and not text:lower():find("access-control", 1, true), "another origin is let in")
    assert(server:stop() == 0)
  end
  return count
end

-- Tokens are compared by their digests, in constant time: what admit_scopes calls is all that looks at them, and the only comparison among
-- it is nettle's, which does not stop at the first difference. (header_same compares the scheme, which is no secret.)
local function comparison()
  local code = moongate.sh("objdump -d --no-show-raw-insn " .. moongate.binary):match("<admit_scopes>:\n(.-)\n\n")
  assert(code, "there is no admit_scopes in the binary")
  local allowed = { header_same = true, header_trim = true, nettle_sha256_init = true, nettle_sha256_update = true, nettle_sha256_digest = true,
    nettle_memeql_sec = true, __stack_chk_fail = true }
  local secure = false
  for name in code:gmatch("call%s+%x+ <([%w_]+)") do
    assert(allowed[name], "admit_scopes calls " .. name)
    secure = secure or name == "nettle_memeql_sec"
  end
  assert(secure, "admit_scopes does not call nettle_memeql_sec")
end

-- ---- configurations ----

local moongate_lua = moongate.read_file("conf/moongate.lua")

-- Every section that conf/moongate.lua has, and the table itself; tokens and scrape are lists.
local function sections()
  local list = { "" }
  for name in moongate_lua:gmatch("\n  ([%a_]+) = {") do
    if name ~= "tokens" and name ~= "scrape" then list[#list + 1] = name end
  end
  return list
end

-- { configuration as text, what the refusal says }
local function refused_configurations()
  local list = {}
  local function add(text, says) list[#list + 1] = { text, says } end
  local hash = ("0123456789abcdef"):rep(4)
  for _, section in ipairs(sections()) do
    local open, close = section ~= "" and section .. " = { " or "", section ~= "" and " }" or ""
    for _, key in ipairs { "unknown", "Listen", "listen_", "_", "tokens_", "[\"\"]", "[\"a.b\"]", "[\"http.body_bytes\"]" } do
      local plain = key:match('^%["(.*)"%]$') or key
      add(("return { %s%s = 1%s }"):format(open, key, close), "there is no such option")
      add(("return { %s%s = {}%s }"):format(open, key, close), plain)
    end
    add(("return { %s1%s }"):format(open, close), "without a name")
    add(("return { %s[true] = 1%s }"):format(open, close), "without a name")
    if section ~= "" then
      for _, value in ipairs { "1", "true", '"x"', "function() end" } do
        add(("return { %s = %s }"):format(section, value), section .. ": found")
      end
      add(("return { %s = { %s = { unknown = 1 } } }"):format(section, section), "there is no such option")
      add(("return { x = { %s = {} } }"):format(section), "there is no such option")
    end
  end
  for _, key in ipairs { "unknown", "Job", "tokens", "scrape", "[\"\"]", "[\"tls.ca\"]" } do
    add(("return { scrape = { { job = 'a', targets = { 'x' }, %s = 1 } } }"):format(key), "there is no such option")
  end
  add("return { scrape = { job = 'a', targets = { 'x' } } }", "scrape: found no list")
  add("return { scrape = { { job = 'a', targets = { 'x' } }, x = 1 } }", "scrape: found no list")
  for _, token in ipairs { "unknown = 1", "name = 'x'", "scope = {}", "Scopes = {}", "token = 'x'", "[1] = 'x'", "[true] = 1" } do
    add(("return { tokens = { { sha256 = '%s', scopes = { 'query' }, %s } } }"):format(hash, token), "unknown field in a token")
  end
  local rates = { "rate = 0", "rate = -1", "rate = 0.5", "rate = 1e7", "rate = 0/0", "rate = '5'", "rate = {}", "rate = true",
    "rate = 5, burst = 0", "rate = 5, burst = '1'" }
  for _, rate in ipairs(rates) do
    add(("return { tokens = { { sha256 = '%s', scopes = { 'query' }, %s } } }"):format(hash, rate), "from 1 to 1000000")
  end
  add(("return { tokens = { { sha256 = '%s', scopes = { 'query' }, burst = 5 } } }"):format(hash), "burst without a rate")
  add("return { http = { burst = 5 } }", "without a rate")
  add(("return { tokens = { { sha256 = '%s', scopes = { 'query' } } }, http = { rate = 5 } }"):format(hash), "beside tokens")
  for _, rate in ipairs { "-1", "0.5", "1e7", "0/0", "{}", "true" } do
    add(("return { http = { rate = %s } }"):format(rate), "http.rate")
  end
  for _, scope in ipairs { "'root'", "'Query'", "''", "1", "true", "{}", "'query '" } do
    add(("return { tokens = { { sha256 = '%s', scopes = { 'query', %s } } } }"):format(hash, scope), "unknown scope")
  end
  add(("return { tokens = { { sha256 = '%s', scopes = { query = true } } } }"):format(hash), "tokens")
  add(("return { tokens = { { sha256 = '%s', scopes = { 'query', x = 'admin' } } } }"):format(hash), "tokens")
  for _, sha in ipairs { "''", "'abc'", "'" .. hash .. "0'", "'" .. hash:sub(2) .. "g'", "5", "nil", "{}", "'secret-token'" } do
    add(("return { tokens = { { sha256 = %s, scopes = { 'query' } } } }"):format(sha), "64 hexadecimal digits")
  end
  add("return { tokens = 'secret' }", "tokens")
  add("return { tokens = { 'secret' } }", "tokens")
  add(("return { tokens = { x = { sha256 = '%s', scopes = { 'query' } } } }"):format(hash), "tokens")
  add(("return { tokens = { { sha256 = '%s', scopes = { 'query' } }, x = 1 } }"):format(hash), "tokens")
  add(("return { tokens = { [2] = { sha256 = '%s', scopes = { 'query' } } } }"):format(hash), "tokens")
  return list
end

-- Each is refused by `moongate check`, and each `every`-th by a start: both read it by the same function.
local function configurations(every)
  local server = moongate.prepare {}
  local list = refused_configurations()
  for i, case in ipairs(list) do
    moongate.write_file(server.dir .. "/conf/moongate.lua", case[1])
    local commands = { "check" }
    if i % every == 0 then commands[2] = "run --listen 127.0.0.1:0 --data " .. server.dir .. "/data" end
    for _, command in ipairs(commands) do
      local folders = ("--conf %s/conf/moongate.lua --scripts %s/scripts"):format(server.dir, server.dir)
      local output, code = moongate.sh(("timeout 10 %s %s %s"):format(moongate.binary, command, folders))
      assert(code == 1, ("%s: exit code %s, wanted 1\n%s"):format(case[1], tostring(code), output))
      assert(output:find(case[2], 1, true), ("%s: %q was wanted in\n%s"):format(case[1], case[2], output))
    end
  end
  assert(moongate.sh("ls " .. server.dir .. "/data 2>&1"):find("No such file", 1, true), "a start that was refused left data behind")
  -- Open to others, with nobody asked who he is: only if that is said.
  for _, listen in ipairs { "0.0.0.0:0", "[::]:0", "0:0", "127.1:0", "localhost.evil.example:0", "10.0.0.1:0" } do
    local folders = ("--data %s/data --scripts %s/scripts"):format(server.dir, server.dir)
    local output, code = moongate.sh(("timeout 10 %s run --listen '%s' %s"):format(moongate.binary, listen, folders))
    assert(code == 1 and output:find("allow_anonymous", 1, true), listen .. ": " .. output)
  end
  return #list
end

row {
  number = 30,
  name = "routes x credentials, configurations, origins",
  short = { every = 8 },
  long = { every = 1 },
  run = function(p)
    comparison()
    local matrix, off, other, confs = with_tokens(), without_tokens(), origins(), configurations(p.every)
    return ("%d requests with tokens, %d without, %d of origins, %d configurations: each as written"):format(matrix, off, other, confs)
  end,
}
