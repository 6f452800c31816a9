-- expect: ok
local nan, inf = 0 / 0, 1 / 0
local function refused(constructor, options) assert(not pcall(function() constructor "m" (options) end)) end
local big = {}
for i = 1, 1e5 do big[i] = i end
local labels = {}
for i = 1, 1e4 do labels[i] = "l" .. i end
for _, b in ipairs { big, { nan }, { inf }, { 2, 1 }, { 1, 1 }, { "1" }, {}, { 1, nil, 3 }, { x = 1 }, "5", 5, { [2 ^ 40] = 1 } } do refused(histogram, { buckets = b }) end
for _, q in ipairs { big, { nan }, { -1 }, { 2 }, { 0.9, 0.5 }, 5 } do refused(summary, { quantiles = q }) end
for _, w in ipairs { nan, inf, -1, 0, "0s", "1000d", "", {}, 1e300, ("1h"):rep(1e5) } do refused(summary, { window = w }) refused(mean, { window = w }) refused(ratio, { window = w }) end
for _, n in ipairs { nan, inf, -1, 0, 1.5, 1e300, "5", {} } do refused(counter, { max_series = n }) refused(topk, { k = n }) end
for _, l in ipairs { labels, { "a", "a" }, { 5 }, "a", { a = "b" }, { {} } } do refused(counter, { labels = l }) end
for _, p in ipairs { "year", 5, {}, nan } do refused(distinct, { period = p }) end
for _, i in ipairs { -1, nan, "sometimes", {} } do refused(counter, { idle = i }) end
refused(counter, { bukkets = {} }) refused(counter, { [1] = 1 }) refused(counter, { [{}] = 1 }) refused(counter, 5) refused(counter, nil)
on("x", function() end)
