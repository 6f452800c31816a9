-- Requests, errors and durations of spans, and who calls whom: the metrics of Tempo's metrics-generator, under its names, labels and bounds, which Grafana's
-- data source of type Tempo asks for (grafana/tempo, modules/generator/processor/spanmetrics and servicegraphs).
local calls = counter "traces_spanmetrics_calls_total" {
  help = "Spans by service, name, kind and status", labels = { "service", "span_name", "span_kind", "status_code" }, max_series = 20000,
}
local latency = histogram "traces_spanmetrics_latency" {
  help = "Duration of spans in seconds", labels = { "service", "span_name", "span_kind", "status_code" }, max_series = 20000,
  buckets = { 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384 },
}

local bounds = { 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8 }
local labels = { "client", "server", "connection_type" }
local requests = counter "traces_service_graph_request_total" { help = "Requests from one service to another", labels = labels }
local failed = counter "traces_service_graph_request_failed_total" { help = "Requests of which either side failed", labels = labels }
local server_seconds = histogram "traces_service_graph_request_server_seconds" {
  help = "Duration of requests as the server saw them", unit = "seconds", labels = labels, buckets = bounds,
}
local client_seconds = histogram "traces_service_graph_request_client_seconds" {
  help = "Duration of requests as the client saw them", unit = "seconds", labels = labels, buckets = bounds,
}

local KINDS = {
  unspecified = "SPAN_KIND_UNSPECIFIED", internal = "SPAN_KIND_INTERNAL", server = "SPAN_KIND_SERVER", client = "SPAN_KIND_CLIENT",
  producer = "SPAN_KIND_PRODUCER", consumer = "SPAN_KIND_CONSUMER",
}
local STATUSES = { unset = "STATUS_CODE_UNSET", ok = "STATUS_CODE_OK", error = "STATUS_CODE_ERROR" }

on.span(function(span)
  local service, name, kind, status = span["resource.service.name"], span.name, KINDS[span.kind], STATUSES[span.status]
  calls:inc(service, name, kind, status)
  latency:observe(span.duration, service, name, kind, status)
end)

-- ---- the service graph, of whole traces ----

local function service_of(span)
  local service = span["resource.service.name"]
  return service ~= nil and tostring(service) or nil
end

local function edge(client, server, connection, has_failed, client_duration, server_duration)
  requests:inc(client, server, connection)
  if has_failed then failed:inc(client, server, connection) end
  server_seconds:observe(server_duration, client, server, connection)
  client_seconds:observe(client_duration, client, server, connection)
end

local function named(span, attributes)
  for i = 1, #attributes do
    local value = span[attributes[i]]
    if value ~= nil and value ~= "" then return tostring(value) end
  end
end

local PEERS = { "peer.service", "db.name", "db.system" }
local ADDRESSES = { "peer.service", "server.address" }
local NAMES = { "db.name", "db.namespace", "db.system", "db.system.name" } -- of a database
local PROVIDERS = { "gen_ai.provider.name", "gen_ai.system" }

-- A database by the first that it has of these, as Tempo names it; it has no spans of its own.
local function database(span)
  if not named(span, NAMES) then return nil end
  local address = named(span, ADDRESSES)
  if address then return address end
  local host, port = span["network.peer.address"], span["network.peer.port"]
  if host then return port and ("%s:%s"):format(host, port) or host end
  return named(span, NAMES)
end

-- Whom a request goes to that has no spans of its own, as Tempo finds it, else the provider of a model. An SDK's span around the request of another SDK's
-- is no request: the inner one is.
local function peer(span)
  local name = named(span, PEERS)
  if name then return name end
  name = named(span, PROVIDERS)
  if not name then return nil end
  for child in span:children() do
    if child.kind == "client" then return nil end
  end
  return name
end

local ANSWERS = { client = "server", producer = "consumer" }

-- The requests that a client's or producer's span began: one for each span that answers it, else one to a database or to a service without spans.
local function outgoing(trace, span, service)
  local news, answered = span.late or not trace.late, false
  for child in span:children() do
    local server = child.kind == ANSWERS[span.kind] and service_of(child)
    if server then
      answered = true
      if news or child.late then
        local connection = span.kind == "producer" and "messaging_system" or ""
        edge(service, server, connection, span.status == "error" or child.status == "error", span.duration, child.duration)
      end
    end
  end
  if answered or not news then return end
  local server = database(span)
  if server then
    edge(service, server, "database", span.status == "error", span.duration, span.duration)
    return
  end
  server = peer(span)
  if server then edge(service, server, "virtual_node", span.status == "error", span.duration, 0) end
end

on.trace(function(trace)
  for span in trace:find { kind = { "client", "producer" } } do
    local service = not span.event and service_of(span)
    if service then outgoing(trace, span, service) end
  end
  -- A request from outside: the root's client has no spans. Tempo calls it "user".
  for span in trace:find { kind = { "server", "consumer" } } do
    local service = not span.parent_span_id and (span.late or not trace.late) and service_of(span)
    if service then edge("user", service, "virtual_node", span.status == "error", 0, span.duration) end
  end
end)
