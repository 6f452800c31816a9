-- expect: refused loading scripts/metrics/metric_tokens_flood.lua takes
for i = 1, 1e9 do counter("c" .. i .. "_total") end
