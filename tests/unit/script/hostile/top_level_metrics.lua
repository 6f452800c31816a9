-- expect: refused more than 1024 metrics
for i = 1, 1e6 do counter("c" .. i .. "_total") {} end
